"""The tool as wheels: real pip, the real package index once, then nothing but the cache."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sugar_deploy.bundle.wheels import Wheels, wheels
from sugar_deploy.errors import DeployError

SUITE = {(3, 11): "bookworm", (3, 13): "trixie"}[sys.version_info[:2]]


def quiet(_text: str) -> None:
    pass


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(home))
        yield home / "sugar-deploy/wheels"


@pytest.fixture(scope="module")
def found(cache: Path) -> Wheels:
    return wheels((SUITE,), ("amd64",), quiet)


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "/nowhere")


def test_every_listed_package_is_there_with_its_hash(found: Wheels) -> None:
    text = found.lists[f"{SUITE}-amd64.txt"]
    listed = re.findall(r"^([a-z0-9-]+)==\S+ --hash=sha256:([0-9a-f]{64})$", text, re.M)
    digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in found.files}
    assert {digest for _, digest in listed} == digests
    assert {"sugar-deploy", "ansible-core", "cryptography", "pydantic-core"} <= {name for name, _ in listed}


def test_a_second_time_needs_no_network(found: Wheels, offline: None) -> None:
    assert wheels((SUITE,), ("amd64",), quiet) == found


def test_without_network_and_cache_it_is_told(found: Wheels, offline: None, cache: Path) -> None:
    with pytest.raises(DeployError, match="Is this machine online"):
        wheels((SUITE,), ("arm64",), quiet)


def test_a_damaged_wheel_in_the_cache_is_not_used(found: Wheels, cache: Path) -> None:
    victim = next(path for path in found.files if path.name.startswith("click-"))
    before = victim.read_bytes()
    victim.write_bytes(b"other")
    said: list[str] = []
    again = wheels((SUITE,), ("amd64",), said.append)
    assert victim.read_bytes() == before
    assert again == found
    assert said == [f"Fetching {len(found.files) - 1} Python packages"]


def test_our_own_wheel_is_the_same_each_time_it_is_built(found: Wheels, cache: Path) -> None:
    own = next(path for path in found.files if path.name.startswith("sugar_deploy-"))
    before = own.read_bytes()
    shutil.rmtree(cache / "own")
    wheels((SUITE,), ("amd64",), quiet)
    assert own.read_bytes() == before


def test_our_own_wheel_holds_what_runs_and_no_leavings(found: Wheels) -> None:
    own = next(path for path in found.files if path.name.startswith("sugar_deploy-"))
    names = zipfile.ZipFile(own).namelist()
    for needed in (
        "sugar_deploy/cli/install.py",
        "sugar_deploy/bundle/install.sh",
        "sugar_deploy/locks/bookworm-i386.txt",
        "sugar_deploy/_resources/playbooks/site.yml",
        "sugar_deploy/_resources/roles/repository/tasks/main.yml",
        "sugar_deploy/_resources/collections/ansible_collections/sugar/deploy/galaxy.yml",
    ):
        assert needed in names
    assert not [name for name in names if re.search(r"\.pyc$|__pycache__|_cache/|^tests/|/\.git", name)]


def test_the_wheels_alone_make_a_tool_that_makes_the_same_wheel_of_itself(found: Wheels, tmp_path: Path) -> None:
    folder = tmp_path / "wheels"
    folder.mkdir()
    for path in found.files:
        shutil.copy(path, folder)
    (folder / "list.txt").write_text(found.lists[f"{SUITE}-amd64.txt"])
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PIP_CONFIG_FILE": os.devnull}
    python = tmp_path / "venv/bin/python"
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True, env=environment)
    options = ["--no-index", "--no-deps", "--require-hashes", "--find-links", str(folder)]
    install = [str(python), "-m", "pip", "install", "-q", *options, "-r", str(folder / "list.txt")]
    subprocess.run(install, check=True, env=environment)
    check = subprocess.run([str(python), "-m", "pip", "check"], capture_output=True, text=True, env=environment)
    assert check.stdout.strip() == "No broken requirements found."
    code = (
        "import sys; from pathlib import Path; from sugar_deploy.bundle.own_wheel import own_wheel;"
        "print(own_wheel(Path(sys.argv[1]), lambda: (), print))"
    )
    done = subprocess.run(
        [str(python), "-c", code, str(tmp_path / "own")],
        capture_output=True,
        text=True,
        env=environment,
        cwd=tmp_path,
        check=True,
    )
    made = Path(done.stdout.strip())
    own = next(path for path in found.files if path.name.startswith("sugar_deploy-"))
    assert contents(made) == contents(own)
    subprocess.run(
        [str(python), "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--force-reinstall", str(made)],
        check=True,
        env=environment,
    )
    version = subprocess.run(
        [str(tmp_path / "venv/bin/sugar-deploy"), "--version"], capture_output=True, text=True, env=environment
    )
    assert version.stdout.startswith("sugar-deploy, version ")


def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}
