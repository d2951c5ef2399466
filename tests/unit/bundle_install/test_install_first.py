"""What an image carries becomes a server at its first start, by a real ansible-playbook."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from sugar_deploy.bundle.install import first, run
from sugar_deploy.bundle.install.server import Server
from sugar_deploy.bundle.install.stick import Damaged
from sugar_deploy.errors import DeployError
from sugar_deploy.run.job import Outcome
from tests.unit.bundle_install.conftest import PACKAGES, MakeStick
from tests.unit.bundle_install.sticks import Key


def composed(make_stick: MakeStick) -> Path:
    """The folder of a bundle that an image is to carry."""
    stick = make_stick().write()
    # An image needs no signature: it is itself what is trusted.
    (stick.folder / "MANIFEST.json.asc").unlink()
    return stick.root


def start(server: Server) -> Outcome:
    return run.apply(server, first.lay_out(server), lambda _event, _tally: None, environment=dict(os.environ))


def test_it_is_tried_until_it_succeeds_and_never_again(
    make_stick: MakeStick, server: Server, keys: dict[str, Key]
) -> None:
    first.carry(server, composed(make_stick))
    assert not server.record.exists()
    assert server.first.stat().st_mode & 0o077 == 0, "it names children"
    (server.root / "mark.fail").touch()
    assert start(server).status == "failed"
    assert server.first.exists()
    assert not server.record.exists()
    (server.root / "mark.fail").unlink()
    assert start(server).status == "done"
    assert (server.root / "mark").read_text() == "installed stick 0123456789ab"
    assert json.loads(server.record.read_text())["school"] == "san-martin"
    assert server.pinned("lima").read_text() == keys["old"].public
    (repository,) = server.state.glob("repository-*")
    assert {path.name: path.read_bytes() for path in (repository / "pool/main").iterdir()} == PACKAGES
    with pytest.raises(DeployError, match=r"has become a server already.*sugar-deploy install STICK"):
        start(server)


def test_what_is_not_what_the_manifest_says_gets_into_no_image(make_stick: MakeStick, server: Server) -> None:
    root = composed(make_stick)
    package = next((root / "sugar-deploy/repository/pool").rglob("prosody_1.deb"))
    package.write_bytes(package.read_bytes()[::-1])
    with pytest.raises(Damaged, match=r"prosody_1\.deb"):
        first.carry(server, root)
    assert not server.first.exists()
