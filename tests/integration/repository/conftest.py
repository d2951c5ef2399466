"""A private home for every test, and a small deployment published once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sugar_deploy.folder import Folder
from tests.integration.repository.bare import publish

SOURCES = Path(__file__).parent / "packages"


@pytest.fixture(scope="package")
def private_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Settings, caches and vault passwords of nobody but these tests; built packages are shared among them."""
    home = tmp_path_factory.mktemp("h")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(home))
        patch.setenv("XDG_CACHE_HOME", str(home / "c"))
        patch.setenv("XDG_CONFIG_HOME", str(home / "config"))
        patch.delenv("ANSIBLE_VAULT_PASSWORD_FILE", raising=False)
        yield home


@pytest.fixture(autouse=True)
def _at_home(private_home: Path) -> None:
    pass


@pytest.fixture(scope="package")
def sources() -> Path:
    return SOURCES


@pytest.fixture(scope="package")
def golden(private_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Folder:
    """A published deployment that no test changes."""
    folder = Folder(tmp_path_factory.mktemp("golden"))
    publish(folder, "golden", sources=SOURCES)
    return folder


@pytest.fixture
def deployment(golden: Folder, tmp_path: Path) -> Folder:
    """A published deployment of the test's own."""
    root = tmp_path / "deployment"
    shutil.copytree(golden.root, root)
    return Folder(root)


@dataclass(frozen=True)
class Apt:
    """The real apt-get with a root of its own."""

    root: Path
    configuration: Path

    def __call__(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["apt-get", *arguments],
            env=os.environ | {"APT_CONFIG": str(self.configuration), "LC_ALL": "C.UTF-8"},
            cwd=self.root,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture
def apt(tmp_path: Path) -> Callable[..., Apt]:
    """Makes an apt that trusts one key and knows one repository."""

    def make(tree: Path, key: Path, distribution: str = "bookworm", architecture: str = "amd64") -> Apt:
        root = tmp_path / f"apt-{distribution}-{architecture}"
        for name in (
            "etc/sources.list.d",
            "etc/apt.conf.d",
            "etc/preferences.d",
            "state/lists/partial",
            "cache/archives/partial",
            "log",
        ):
            (root / name).mkdir(parents=True)
        (root / "status").touch()
        (root / "etc/sources.list.d/test.sources").write_text(
            f"Types: deb\nURIs: file:{tree}\nSuites: {distribution}\nComponents: main\nSigned-By: {key}\n"
        )
        configuration = root / "apt.conf"
        configuration.write_text(
            textwrap.dedent(f"""\
                Dir::Etc "{root}/etc";
                Dir::Etc::trusted "{root}/none";
                Dir::Etc::trustedparts "{root}/none";
                Dir::State "{root}/state";
                Dir::State::status "{root}/status";
                Dir::Cache "{root}/cache";
                Dir::Log "{root}/log";
                APT::Architecture "{architecture}";
                APT::Architectures "{architecture}";
                APT::Sandbox::User "root";
                Acquire::Languages "none";
            """)
        )
        return Apt(root, configuration)

    return make


@pytest.fixture
def in_background(private_home: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Runs a line of Python as a process of its own; whatever is left of it ends with the test."""
    started: list[subprocess.Popen[str]] = []

    def run(code: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.wait()
