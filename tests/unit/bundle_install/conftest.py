"""A server in a folder, keys, and sticks for it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sugar_deploy.bundle.install import run
from sugar_deploy.bundle.install.run import Wish
from sugar_deploy.bundle.install.server import Installed, Server
from sugar_deploy.errors import DeployError
from tests.unit.bundle_install.sticks import Key, Stick, make_key, project_tar, snapshot_files, tree

PACKAGES = {"prosody_1.deb": b"prosody, the first" * 1000, "chrony_1.deb": b"chrony" * 1000}

MakeStick = Callable[..., Stick]


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Key]]:
    folder = tmp_path_factory.mktemp("k")
    found = {name: make_key(folder / name, name) for name in ("old", "new", "foreign")}
    yield found
    for key in found.values():
        subprocess.run(["gpgconf", "--homedir", str(key.home), "--kill", "all"], check=True)


@pytest.fixture
def server(tmp_path: Path) -> Server:
    root = tmp_path / "server"
    (root / "etc").mkdir(parents=True)
    (root / "etc/os-release").write_text('ID=debian\nVERSION_CODENAME="bookworm"\n')
    (root / "run").mkdir()
    return Server(root)


@pytest.fixture
def make_stick(tmp_path: Path, keys: dict[str, Key], server: Server) -> MakeStick:
    def make(name: str = "stick", signed: tuple[str, ...] = ("old",), **options: Any) -> Stick:
        stick = Stick(tmp_path / name, tuple(keys[one] for one in signed), **options)
        stick.folder.mkdir(parents=True)
        variables = {"target": str(server.root / "mark"), "mark": f"installed {name}"}
        stick.files = snapshot_files(stick.snapshot, stick.serial, PACKAGES) | {
            "project.tar": project_tar(variables, stick.fields.get("schools", ["san-martin"])),
            "wheels/bookworm-amd64.txt": b"click==8.3 --hash=sha256:" + b"0" * 64 + b"\n",
            "sbom.json": b"{}",
        }
        return stick

    return make


@pytest.fixture
def installed(server: Server, keys: dict[str, Key]) -> Server:
    """A server that has number 3 of lima."""
    state = server.state / "repository-0000000000000000"
    for path, data in snapshot_files("333333333333", 3, {"chrony_1.deb": b"chrony" * 1000}).items():
        target = state / path.removeprefix("repository/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
    server.repository.symlink_to(state)
    server.pinned("lima").parent.mkdir()
    server.pinned("lima").write_text(keys["old"].public)
    fingerprints = (keys["old"].fingerprint,)
    server.record_installed(Installed("lima", "san-martin", "333333333333", 3, fingerprints, "2026-01-01T00:00:00Z"))
    return server


def attempt(server: Server, stick: Stick, **options: Any) -> None:
    bundle = run.examine(server, Wish(stick.root, **options))
    run.take(server, bundle, lambda _done, _total: None)


def refused(server: Server, stick: Stick, message: str, **options: Any) -> DeployError:
    before = tree(server.root)
    with pytest.raises(DeployError, match=message) as caught:
        attempt(server, stick, **options)
    assert tree(server.root) == before
    assert caught.value.remedy
    return caught.value
