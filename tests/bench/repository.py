"""How long deriving and publishing a complete repository take, against apt and aptly alone with the same packages.

Prints a table; asserts nothing, because a machine's load and its way to the mirror are no fault of the code.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.deployment.load import load
from sugar_deploy.folder import Folder
from sugar_deploy.repository.build import build
from sugar_deploy.repository.debs import Deb, collect
from sugar_deploy.repository.derive import derive
from sugar_deploy.repository.derive.archive import KEYRING
from sugar_deploy.repository.derive.mirror import Mirror, debian_mirror
from sugar_deploy.scenario.resolve import resolve

POCKETS = ("", "-updates", "-security")
DEPLOYMENT = """\
version: 1
name: bench
title: Benchmark
repository:
  contents: complete
  suites: [{suite}]
  architectures: [{architecture}]
schools:
  san-martin:
    scenario: offline-server
    role: master
    server: {{address: 192.0.2.10}}
    lan: {{interface: eth1, address: 172.18.96.1/19}}
"""


@dataclass(frozen=True, slots=True)
class Bench:
    """A scratch folder with a deployment in it, and what is derived."""

    scratch: Path
    suite: str
    architecture: str

    @property
    def folder(self) -> Folder:
        return Folder(self.scratch / "deployment")

    @property
    def mirror(self) -> Mirror:
        return debian_mirror(load(self.folder).repository)

    def run(self, *argv: str, cwd: Path | None = None, **environment: str) -> float:
        """How long a command takes, at home in the scratch folder."""
        home = {"HOME": str(self.scratch), "XDG_CACHE_HOME": str(self.scratch / "cache"), "LC_ALL": "C.UTF-8"}
        home |= {"XDG_CONFIG_HOME": str(self.scratch / "config")} | environment
        started = time.perf_counter()
        result = subprocess.run(
            argv,
            cwd=cwd or self.scratch,
            env=os.environ | home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        if result.returncode:
            raise SystemExit(f"failed: {' '.join(argv)[:300]}\n{(result.stdout + result.stderr)[-2000:]}")
        return time.perf_counter() - started

    def publish(self) -> float:
        """`sugar-deploy repo publish`."""
        return self.run(sys.executable, "-m", "sugar_deploy", "repo", "publish", "-C", str(self.folder.root))

    def prepare(self) -> None:
        """Write the deployment, and build our own packages beforehand: they are not what is measured."""
        self.folder.root.mkdir()
        self.folder.file.write_text(DEPLOYMENT.format(suite=self.suite, architecture=self.architecture))
        self.run(sys.executable, "-m", "sugar_deploy", "repo", "build")

    def derive(self) -> tuple[float, list[Deb]]:
        """Derive into a cache of its own, without publishing."""
        cache = self.scratch / "cache"
        own = collect(path for built in build(cache=cache / "sugar-deploy" / "packages") for path in built.debs)
        plan = resolve(load(self.folder))
        started = time.perf_counter()
        found = derive(plan, own, lambda _: None, cache=self.scratch / "derived")
        return time.perf_counter() - started, list(found[self.suite])

    def again(self) -> float:
        """The same deployment for the first time, with Debian's packages in the cache."""
        shutil.rmtree(self.folder.repository)
        return self.publish()

    def one_more(self) -> float:
        """After one package has been added."""
        text = self.folder.file.read_text().replace("contents: complete", "contents: complete\n  packages: [sl]")
        self.folder.file.write_text(text)
        return self.publish()


def apt_alone(bench: Bench, names: Sequence[str]) -> float:
    """`apt-get update` and `apt-get download` of the same packages, from nothing."""
    root = bench.scratch / "apt"
    for folder in ("lists/partial", "cache/archives/partial", "etc", "packages"):
        (root / folder).mkdir(parents=True)
    (root / "status").touch()
    lines = [f"deb [signed-by={KEYRING}]{line.removeprefix('deb')}\n" for line in bench.mirror.sources(bench.suite)]
    (root / "sources.list").write_text("".join(lines))
    (root / "apt.conf").write_text(
        f'Dir::Etc "{root}/etc"; Dir::Etc::SourceList "{root}/sources.list"; Dir::State "{root}"; '
        f'Dir::State::Status "{root}/status"; Dir::Cache "{root}/cache"; APT::Sandbox::User "root"; '
        f'APT::Architecture "{bench.architecture}"; APT::Architectures "{bench.architecture}"; '
        'Acquire::Languages "none";\n'
    )
    seconds = bench.run("apt-get", "-q", "update", APT_CONFIG=str(root / "apt.conf"))
    return seconds + bench.run(
        "apt-get", "-q", "download", *names, cwd=root / "packages", APT_CONFIG=str(root / "apt.conf")
    )


def aptly_alone(bench: Bench) -> dict[str, float]:
    """aptly's filtered mirrors with the same wishes: created, updated, merged, published; and updated once more."""
    config = bench.scratch / "aptly.conf"
    root = bench.scratch / "aptly"
    config.write_text(json.dumps({"rootDir": str(root), "architectures": [bench.architecture], "gpgProvider": "gpg"}))
    roles = {name for host in resolve(load(bench.folder)).hosts for name in host.packages}
    wishes = ["Priority (required)", "Priority (important)", "Priority (standard)", "python3", "python3-venv"]
    query = " | ".join([*wishes, *sorted(roles), "python3-starlette", "python3-uvicorn", "python3-cryptography"])
    urls = {pocket: bench.mirror.security if pocket == "-security" else bench.mirror.main for pocket in POCKETS}

    def aptly(*words: str) -> float:
        return bench.run("aptly", f"-config={config}", *words)

    def update() -> float:
        return sum(aptly("mirror", "update", f"-keyring={KEYRING}", f"m{pocket}") for pocket in POCKETS)

    def publish(name: str) -> float:
        for pocket in POCKETS:
            aptly("snapshot", "create", f"{name}{pocket}", "from", "mirror", f"m{pocket}")
        return aptly("snapshot", "merge", "-latest", f"{name}-all", *(f"{name}{pocket}" for pocket in POCKETS))

    cold = 0.0
    for pocket in POCKETS:
        filters = (f"-filter={query}", "-filter-with-deps", "-force-components", f"-keyring={KEYRING}")
        cold += aptly("mirror", "create", *filters, f"m{pocket}", str(urls[pocket]), f"{bench.suite}{pocket}", "main")
    options = ("-skip-signing", f"-distribution={bench.suite}")
    cold += update() + timed(lambda: publish("a")) + aptly("publish", "snapshot", *options, "a-all")
    warm = update() + timed(lambda: publish("b")) + aptly("publish", "switch", "-skip-signing", bench.suite, "b-all")
    return {"aptly alone, filtered mirrors, cold": cold, "aptly alone, unchanged": warm}


def timed(action: Callable[[], object]) -> float:
    """How long something takes."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.repository", description=__doc__)
    options.add_argument("--suite", choices=["bookworm", "trixie"], default="bookworm")
    options.add_argument("--architecture", choices=["amd64", "arm64"], default="amd64")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="sugar-deploy-bench-") as scratch:
        bench = Bench(Path(scratch), chosen.suite, chosen.architecture)
        bench.prepare()
        # First, so that nobody else has to wait for what the mirror itself fetches only when it is asked.
        first, packages = bench.derive()
        size = sum(package.size for package in packages) / 2**20
        print(f"{chosen.suite} {chosen.architecture}: {len(packages)} packages of Debian, {size:,.0f} MiB")
        rows = {"derive alone, first of all": first, "derive alone, unchanged": bench.derive()[0]}
        rows["derive and publish, cold"] = bench.publish()
        rows["derive and publish, unchanged"] = bench.publish()
        rows["derive and publish, packages in the cache"] = bench.again()
        rows["derive and publish, one package more"] = bench.one_more()
        plain = apt_alone(bench, [f"{package.name}={package.version}" for package in packages])
        rows["apt-get update and download alone"] = plain
        rows |= aptly_alone(bench)
        for label, seconds in rows.items():
            print(f"{label:44} {seconds:>8.1f} s   × {seconds / plain:.2f} of plain apt-get")


if __name__ == "__main__":
    main()
