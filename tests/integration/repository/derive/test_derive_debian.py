"""What is derived from Debian itself is enough: proved by programs that have no part in deriving it."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from sugar_deploy.deployment.load import load
from sugar_deploy.folder import Folder
from sugar_deploy.repository.build import build
from sugar_deploy.repository.debs import Deb, collect
from sugar_deploy.repository.derive import archive_cache, derive
from sugar_deploy.repository.derive.archive import KEYRING, Archive
from sugar_deploy.repository.derive.choosing import choose
from sugar_deploy.repository.derive.mirror import Mirror, debian_mirror
from sugar_deploy.scenario.plan import Plan
from sugar_deploy.scenario.resolve import resolve

SUITES = ("bookworm", "trixie")
ARCHITECTURES = ("amd64", "arm64")
DEPLOYMENT = f"""\
version: 1
name: lima
title: Lima
repository:
  contents: complete
  suites: [{", ".join(SUITES)}]
  architectures: [{", ".join(ARCHITECTURES)}]
  kernel: false
schools:
  san-martin:
    scenario: offline-server
    role: master
    server: {{address: 192.0.2.10}}
    lan: {{interface: eth1, address: 172.18.96.1/19}}
  aula:
    scenario: peer-server
    server: {{address: 192.0.2.11}}
    lan: {{interface: wlan0, address: 172.18.96.1/24, wireless: {{country: PE}}}}
"""


@dataclass(frozen=True)
class Derived:
    plan: Plan
    own: tuple[Deb, ...]
    debs: Mapping[str, tuple[Deb, ...]]
    cache: Path

    @property
    def packages(self) -> tuple[str, ...]:
        """All that the roles install."""
        return tuple(sorted({name for host in self.plan.hosts for name in host.packages}))


@pytest.fixture(scope="module")
def derived(private_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Derived:
    folder = Folder(tmp_path_factory.mktemp("deployment"))
    folder.file.write_text(DEPLOYMENT)
    plan = resolve(load(folder))
    own = collect(path for built in build() for path in built.debs)
    return Derived(plan, own, derive(plan, own, lambda _: None), archive_cache())


@pytest.fixture(scope="module")
def trees(derived: Derived, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """For each suite a repository of exactly the packages of the result, with indexes that dpkg makes of them."""
    made = {}
    for suite, debs in derived.debs.items():
        root = made[suite] = tmp_path_factory.mktemp(f"tree-{suite}")
        (root / "pool").mkdir()
        for deb in (*debs, *derived.own):
            (root / f"pool/{deb.name}_{deb.version.replace(':', '%3a')}_{deb.architecture}.deb").symlink_to(deb.path)
        release = f"Suite: {suite}\nCodename: {suite}\nArchitectures: {' '.join(ARCHITECTURES)}\n"
        release += "Components: main\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n"
        for architecture in ARCHITECTURES:
            argv = ["dpkg-scanpackages", "-m", "-a", architecture, "pool"]
            text = subprocess.run(argv, cwd=root, capture_output=True, check=True).stdout
            file = f"main/binary-{architecture}/Packages"
            index(root, suite, architecture).parent.mkdir(parents=True)
            index(root, suite, architecture).write_bytes(text)
            release += f" {hashlib.sha256(text).hexdigest()} {len(text)} {file}\n"
        (root / f"dists/{suite}/Release").write_text(release)
    return made


def index(tree: Path, suite: str, architecture: str) -> Path:
    return tree / f"dists/{suite}/main/binary-{architecture}/Packages"


def broken(packages: Path, architecture: str) -> tuple[int, int]:
    """How many packages of an index were looked at, and how many of them can be installed by no means."""
    argv = ["dose-debcheck", f"--deb-native-arch={architecture}", "--explain", "--failures", str(packages)]
    result = subprocess.run(argv, capture_output=True, text=True)
    print(result.stdout[-3000:])
    counts = dict(re.findall(r"^(total-packages|broken-packages): (\d+)$", result.stdout, re.MULTILINE))
    return int(counts["total-packages"]), int(counts["broken-packages"])


def without(packages: Path, name: str, target: Path) -> Path:
    stanzas = packages.read_text().split("\n\n")
    target.write_text("\n\n".join(stanza for stanza in stanzas if not stanza.startswith(f"Package: {name}\n")))
    return target


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_solver_of_another_school_finds_everything_installable(
    derived: Derived, trees: Mapping[str, Path], tmp_path: Path, suite: str, architecture: str
) -> None:
    packages = index(trees[suite], suite, architecture)
    listed = [deb for deb in (*derived.debs[suite], *derived.own) if deb.architecture in {"all", architecture}]
    assert broken(packages, architecture) == (len(listed), 0)
    for needed in ("libc6", "prosody", "python3-starlette"):
        assert broken(without(packages, needed, tmp_path / needed), architecture)[1] > 0


# The scenario of sticks has one of bookworm.
@pytest.mark.parametrize("suite", ["trixie"])
def test_a_server_is_installed_from_nothing_else(
    derived: Derived, trees: Mapping[str, Path], tmp_path: Path, suite: str
) -> None:
    root = tmp_path / "root"
    names = (*derived.packages, *(deb.name for deb in derived.own), "python3-venv")
    made = subprocess.run(
        [
            "mmdebstrap",
            "--mode=root",
            "--variant=important",
            f"--include={','.join(names)}",
            suite,
            str(root),
            f"deb [trusted=yes] copy:{trees[suite]} {suite} main",
        ],
        capture_output=True,
        text=True,
    )
    assert made.returncode == 0, made.stderr[-3000:]
    audit = subprocess.run(["chroot", root, "dpkg", "--audit"], capture_output=True, text=True)
    assert (audit.returncode, audit.stdout) == (0, "")
    query = ["chroot", root, "dpkg-query", "--show", "--showformat=${Package} ${Version} ${Architecture}\n"]
    installed = set(subprocess.run(query, capture_output=True, text=True, check=True).stdout.splitlines())
    offered = {f"{deb.name} {deb.version} {deb.architecture}" for deb in (*derived.debs[suite], *derived.own)}
    assert installed <= offered
    assert set(names) <= {line.split()[0] for line in installed}


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_package_is_at_the_version_of_debians_newest_update(
    derived: Derived, suite: str, architecture: str
) -> None:
    newest: dict[str, str] = {}
    for packages in (derived.cache / "apt").glob(f"*/lists/*_dists_{suite}*_binary-{architecture}_Packages"):
        for stanza in packages.read_text().split("\n\n"):
            if match := re.match(r"Package: (\S+)\n(?:.*\n)*?Version: (\S+)", stanza):
                before = newest.setdefault(match[1], match[2])
                newest[match[1]] = match[2] if later(match[2], before) else before
    debs = [deb for deb in derived.debs[suite] if deb.architecture in {"all", architecture}]
    assert [(deb.name, deb.version) for deb in debs if later(newest.get(deb.name, "0"), deb.version)] == []
    updates = {deb.version for deb in debs if "+deb1" in deb.version}
    assert updates, "there are always some stable and security updates"


class WithoutUpdates(Mirror):
    """Not every mirror keeps the updates of the smaller architectures in step."""

    def sources(self, suite: str) -> tuple[str, ...]:
        return (f"deb {self.main} {suite} main",)


def with_kernel(plan: Plan) -> Plan:
    """Half a gigabyte to download, but only some lines to choose."""
    repository = plan.deployment.repository.model_copy(update={"kernel": True})
    return replace(plan, deployment=plan.deployment.model_copy(update={"repository": repository}))


KERNELS = {"amd64": "linux-image-amd64", "arm64": "linux-image-arm64", "armhf": "linux-image-armmp"}


@pytest.mark.parametrize("suite", SUITES)
@pytest.mark.parametrize("architecture", ["amd64", "arm64", "i386", "armhf"])
def test_every_machine_finds_theirs_and_a_kernel(
    derived: Derived, tmp_path: Path, suite: str, architecture: str
) -> None:
    mirror = WithoutUpdates(debian_mirror(derived.plan.deployment.repository).main, None)
    with (tmp_path / "held").open("w") as held:
        archive = Archive(tmp_path / "apt" / "one", mirror, (suite,), (architecture,), KEYRING, held.fileno())
        archive.update(lambda _: None)
        chosen = choose(archive, suite, architecture, with_kernel(derived.plan), derived.own, lambda _: None)
    wanted = {(package.name, package.version) for package in chosen}
    kernel = KERNELS.get(architecture, "linux-image-686-pae" if suite == "bookworm" else None)
    names = {name for name, _ in wanted}
    assert {name for name in names if name in {*KERNELS.values(), "linux-image-686-pae"}} == {kernel} - {None}
    assert kernel is None or any(re.match(r"linux-image-[0-9]", name) for name in names), "and not its name alone"
    found = []
    for packages in archive.area.glob(f"lists/*_dists_{suite}*_binary-{architecture}_Packages"):
        for stanza in packages.read_text().split("\n\n"):
            match = re.match(r"Package: (\S+)\n(?:.*\n)*?Version: (\S+)", stanza)
            if match and (match[1], match[2]) in wanted:
                found.append(stanza.strip())
    own = index_of([deb for deb in derived.own if deb.architecture in {"all", architecture}])
    (tmp_path / "Packages").write_text("\n\n".join([*found, own]) + "\n")
    assert {package.architecture for package in chosen} == {"all", architecture}
    assert broken(tmp_path / "Packages", architecture) == (len(chosen) + len(derived.own), 0)


def index_of(debs: list[Deb]) -> str:
    controls = [subprocess.run(["dpkg-deb", "--field", deb.path], capture_output=True, text=True) for deb in debs]
    return "\n\n".join(control.stdout.strip() for control in controls)


def later(version: str, than: str) -> bool:
    return version != than and subprocess.run(["dpkg", "--compare-versions", version, "gt", than]).returncode == 0
