"""A laptop: Debian's real Sugar with what our package puts beside it, and a child's home."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sugar_deploy.lab.mirror import read_mirror
from tests.integration.server.conftest import Server, new_server

PACKAGE = Path(__file__).resolve().parents[3] / "packages" / "sugar-client"
SYSTEM = Path("/usr/lib/python3/dist-packages")
SCHEMAS = Path("/usr/share/glib-2.0/schemas")


class Laptop:
    """The package's files in a tree beside Sugar's own."""

    def __init__(self, root: Path, sugar: Path = SYSTEM) -> None:
        self.root = root
        self.python = root / "usr/lib/python3/dist-packages"
        self.schemas = root / "usr/share/glib-2.0/schemas"
        self.home = root / "home"
        self.activities = self.home / "Activities"
        self.activities.mkdir(parents=True)
        for package in ("jarabe", "sugar3"):
            shutil.copytree(sugar / package, self.python / package)
        self.schemas.mkdir(parents=True)
        for schema in SCHEMAS.glob("org.sugarlabs*.xml"):
            shutil.copy(schema, self.schemas)
        for line in (PACKAGE / "debian" / "sugar-client.install").read_text().splitlines():
            sources, target = line.split()
            for source in PACKAGE.glob(sources):
                to = root / target / source.name
                assert not to.exists(), f"{to} is Sugar's own"
                to.parent.mkdir(parents=True, exist_ok=True)
                shutil.copytree(source, to) if source.is_dir() else shutil.copy(source, to)

    def settings(self, name: str, text: str) -> None:
        """Defaults of a deployment's package, as the file NAME."""
        (self.schemas / f"{name}.gschema.override").write_text(text)

    def run(self, *argv: str | Path) -> str:
        subprocess.run(["glib-compile-schemas", "--strict", self.schemas], check=True)
        environment = {
            "HOME": str(self.home),
            "PATH": os.environ["PATH"],
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(self.python),
            "PYTHONDONTWRITEBYTECODE": "1",
            # As /usr/bin/sugar sets them.
            "SUGAR_HOME": str(self.home / ".sugar"),
            "SUGAR_PROFILE": "default",
            "SUGAR_MIME_DEFAULTS": "/usr/share/sugar/data/mime.defaults",
            "SUGAR_ACTIVITIES_HIDDEN": "/usr/share/sugar/data/activities.hidden",
            "GSETTINGS_BACKEND": "memory",
            "GSETTINGS_SCHEMA_DIR": str(self.schemas),
        }
        done = subprocess.run(
            [str(word) for word in argv], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def update(self, *words: str) -> dict:
        """What the updater of the real Sugar does and finds."""
        said = self.run("/usr/bin/python3", Path(__file__).with_name("desktop.py"), *words)
        return json.loads(said.splitlines()[-1])

    def install(self, bundle: Path) -> None:
        """As Sugar does it."""
        subprocess.run(["unzip", "-q", "-o", bundle, "-d", self.activities], check=True)


@pytest.fixture
def laptop(tmp_path: Path) -> Laptop:
    """With this machine's Sugar: 0.120, on libsoup 2.4."""
    return Laptop(tmp_path / "laptop")


@pytest.fixture(scope="session")
def trixies_sugar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python code of trixie's Sugar, 0.121, fetched from this machine's mirror and unpacked."""
    folder = tmp_path_factory.mktemp("trixie")
    for needed in ("state/lists/partial", "cache/archives/partial", "etc", "root"):
        (folder / needed).mkdir(parents=True)
    (folder / "status").touch()
    (folder / "sources.list").write_text(read_mirror().sources("trixie")[0] + "\n")
    (folder / "apt.conf").write_text(f"""
        Dir::State "{folder}/state"; Dir::State::status "{folder}/status"; Dir::Cache "{folder}/cache";
        Dir::Etc::SourceList "{folder}/sources.list"; Dir::Etc::SourceParts "/dev/null"; Acquire::Languages "none";
        APT::Sandbox::User "root";
    """)
    environment = os.environ | {"APT_CONFIG": str(folder / "apt.conf")}
    for words in (("update",), ("download", "python3-jarabe", "python3-sugar3")):
        subprocess.run(["apt-get", "-qq", *words], cwd=folder / "root", env=environment, check=True)
    for package in (folder / "root").glob("*.deb"):
        subprocess.run(["dpkg-deb", "--extract", package, folder / "root"], check=True)
    return folder / "root" / "usr/lib/python3/dist-packages"


@pytest.fixture
def newer_laptop(tmp_path: Path, trixies_sugar: Path) -> Laptop:
    """With trixie's Sugar, whose own downloader cannot work: on libsoup 3."""
    return Laptop(tmp_path / "newer", trixies_sugar)


@pytest.fixture
def school() -> Iterator[Server]:
    """A running server with an empty library."""
    with new_server() as server:
        folder = server.state / "library"
        folder.mkdir()
        server.configure(f"[library]\nfolder = {folder}\n", "conf.d/library.conf")
        server.start()
        yield server
