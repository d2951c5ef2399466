"""A small Debian on the loopback, and a deployment that derives from it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from sugar_deploy.deployment.load import load
from sugar_deploy.folder import Folder
from sugar_deploy.repository.debs import Deb, inspect
from sugar_deploy.repository.derive import apt, archive, derive
from sugar_deploy.repository.derive.systems import System
from sugar_deploy.scenario.catalogue import RolePackages
from sugar_deploy.scenario.plan import Plan
from sugar_deploy.scenario.resolve import resolve
from tests.integration.repository.derive.minidebian import MiniDebian, Signer, Web, build_deb, serve

DEPLOYMENT = """\
version: 1
name: mini
title: Mini
repository:
  contents: complete
  suites: [{suites}]
  architectures: [{architectures}]
  mirror: {url}
  security_mirror: {url}
  kernel: {kernel}
  {more}
schools:
  aula:
    scenario: offline-server
    role: master
    server: {{address: 192.0.2.1}}
    lan: {{interface: eth1, address: 172.18.96.1/19}}
"""


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Signer]:
    # gpg-agent's socket has to fit into 107 bytes.
    made = Signer(tmp_path_factory.mktemp("k") / "g")
    yield made
    made.close()


@pytest.fixture(scope="module")
def pattern(tmp_path_factory: pytest.TempPathFactory, signer: Signer) -> MiniDebian:
    """What every Debian has, and a server that recommends too much."""
    small = MiniDebian(tmp_path_factory.mktemp("mirror") / "m", signer)
    small.add("bookworm", "base-files", Essential="yes", Priority="required")
    small.add("bookworm", "timesyncd", Priority="standard", Provides="time-daemon", Conflicts="time-daemon")
    small.add("bookworm", "python3", Depends="libpython (>= 1)")
    for architecture in ("amd64", "arm64", "i386", "armhf"):
        small.add("bookworm", "libpython", "1:1.2-3", architecture, Source="python3-defaults (1.2)")
    small.add("bookworm", "python3-venv", Depends="python3")
    for architecture in ("i386", "armhf"):
        for name in ("bcrypt", "cryptography", "markupsafe", "nacl", "yaml"):
            small.add("bookworm", f"python3-{name}", "1", architecture)
    small.add("bookworm", "server", Depends="server-data | lavish", Recommends="lavish")
    small.add("bookworm", "server-clock", Provides="time-daemon", Conflicts="time-daemon")
    small.add("bookworm", "server-data", size="50000")
    small.add("bookworm", "lavish")
    small.add("bookworm", "gnome-mines")
    small.add("bookworm", "sucrose", Depends="sugar-session")
    small.add("bookworm", "sugar-session")
    small.add("bookworm", "telepathy-mission-control-5")
    small.add("bookworm", "linux-image-amd64", "6.1", "amd64", Depends="linux-image-6.1.0-1-amd64")
    small.add("bookworm", "linux-image-6.1.0-1-amd64", "6.1", "amd64")
    small.add("bookworm", "grub-pc", "2", "amd64", Conflicts="grub-efi-amd64")
    small.add("bookworm", "grub-efi-amd64", "2", "amd64", Conflicts="grub-pc")
    small.add("bookworm", "grub-efi-amd64-signed", "1+2", "amd64", Depends="shim-signed")
    small.add("bookworm", "shim-signed", "1", "amd64")
    small.release()
    return small


@pytest.fixture
def debian(pattern: MiniDebian, tmp_path: Path) -> MiniDebian:
    """A mirror of the test's own."""
    shutil.copytree(pattern.root, tmp_path / "mirror")
    return replace(
        pattern, root=tmp_path / "mirror", stanzas={name: [*some] for name, some in pattern.stanzas.items()}
    )


@pytest.fixture
def web(debian: MiniDebian) -> Iterator[Web]:
    with serve(debian.root) as server:
        yield server


@dataclass
class Deriving:
    """Derives for one deployment, and keeps what was said."""

    root: Path
    url: str
    keyring: Path
    said: list[str] = field(default_factory=list)
    suites: str = "bookworm"
    architectures: str = "amd64"
    kernel: bool = False
    more: str = ""
    packages: tuple[str, ...] = ("server",)
    systems: tuple[System, ...] = ()

    def plan(self, *, real_roles: bool = False) -> Plan:
        folder = Folder(self.root / "deployment")
        folder.root.mkdir(exist_ok=True)
        text = DEPLOYMENT.format(
            suites=self.suites,
            architectures=self.architectures,
            url=self.url,
            kernel=str(self.kernel).lower(),
            more=self.more,
        )
        folder.file.write_text(text)
        return resolve(load(folder), None if real_roles else {"base": RolePackages(self.packages)})

    def __call__(self, *own: Deb, real_roles: bool = False) -> dict[str, tuple[Deb, ...]]:
        found = derive(
            self.plan(real_roles=real_roles),
            own,
            self.said.append,
            systems=self.systems,
            cache=self.root / "cache",
            keyring=self.keyring,
        )
        return dict(found)

    def names(self, *own: Deb, suite: str = "bookworm") -> list[str]:
        return [deb.name for deb in self(*own)[suite]]

    def own(self, name: str, origin: str = "ours", **fields: str) -> Deb:
        return replace(inspect(build_deb(self.root / "own", name, **fields)), origin=origin)

    def in_process(self) -> subprocess.Popen[str]:
        """A process, with a group of its own, that derives for the deployment that was written last."""
        code = textwrap.dedent(f"""\
            from pathlib import Path
            from sugar_deploy.deployment.load import load
            from sugar_deploy.folder import Folder
            from sugar_deploy.repository.derive import derive
            from sugar_deploy.scenario.catalogue import RolePackages
            from sugar_deploy.scenario.resolve import resolve
            root = Path({str(self.root)!r})
            plan = resolve(load(Folder(root / "deployment")), {{"base": RolePackages({self.packages!r})}})
            derive(plan, (), print, cache=root / "cache", keyring=Path({str(self.keyring)!r}))
        """)
        return subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


@pytest.fixture
def deriving(tmp_path: Path, web: Web, signer: Signer, monkeypatch: pytest.MonkeyPatch) -> Deriving:
    monkeypatch.setattr(archive, "PAUSE_SECONDS", 0)
    monkeypatch.setattr(apt, "network_settings", lambda: 'Acquire::Retries "0";\n')
    return Deriving(tmp_path, web.url, signer.keyring)
