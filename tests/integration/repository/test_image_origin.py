"""Images of a deployment's own complete repository: its key has to be there, the right one, and good."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from sugar_deploy.deployment.load import load
from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.image.compose.debian import Published, origin
from sugar_deploy.keys import repository_key as keys
from sugar_deploy.repository.record import Record
from sugar_deploy.repository.snapshots import History
from sugar_deploy.scenario.plan import Plan
from sugar_deploy.scenario.resolve import resolve


@pytest.fixture
def complete(deployment: Folder) -> Record:
    """The published snapshot, as one that holds Debian for amd64 as well."""
    record = History(deployment).chosen("")
    items = record.suites["bookworm"]
    debian = replace(items[0], origin="debian", architecture="amd64")
    return replace(record, suites={"bookworm": (*items, debian)})


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    start(Folder(tmp_path / "lima"), Scenario.ONLINE_SERVER, "lima")
    return resolve(load(Folder(tmp_path / "lima")))


def test_a_good_key(deployment: Folder, plan: Plan, complete: Record) -> None:
    mirror, trusted = origin(deployment, plan, complete, "bookworm", "amd64")
    assert isinstance(mirror, Published)
    assert trusted == deployment.repository_key.resolve()
    assert not isinstance(origin(deployment, plan, complete, "bookworm", "i386")[0], Published)


def test_a_missing_key(deployment: Folder, plan: Plan, complete: Record) -> None:
    deployment.repository_key.unlink()
    with pytest.raises(DeployError, match=r"there is no public key \S+/key\.asc\. Publish first"):
        origin(deployment, plan, complete, "bookworm", "amd64")


def test_an_expired_key(deployment: Folder, plan: Plan, complete: Record) -> None:
    with keys.signing_keys(deployment, "golden") as (gpg, found):
        gpg.run("--quick-set-expire", found[0].fingerprint, "seconds=1")
        deployment.repository_key.write_text(gpg.run("--armor", "--export", found[0].fingerprint))
    time.sleep(2)
    with pytest.raises(DeployError, match=r"InRelease: the signing key has expired\. Publish again"):
        origin(deployment, plan, complete, "bookworm", "amd64")


def test_another_key(deployment: Folder, plan: Plan, complete: Record, tmp_path: Path) -> None:
    with keys.signing_keys(Folder(tmp_path / "lima"), "lima"):
        deployment.repository_key.write_text(Folder(tmp_path / "lima").repository_key.read_text())
    with pytest.raises(DeployError, match=r"InRelease: it is signed by another key"):
        origin(deployment, plan, complete, "bookworm", "amd64")
