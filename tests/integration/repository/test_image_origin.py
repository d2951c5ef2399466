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
from sugar_deploy.image.compose.source import Origin, Published, Source
from sugar_deploy.keys import repository_key as keys
from sugar_deploy.repository.derive.systems import System
from sugar_deploy.repository.record import Record
from sugar_deploy.repository.snapshots import History
from sugar_deploy.scenario.plan import Plan
from sugar_deploy.scenario.resolve import resolve


@pytest.fixture
def complete(deployment: Folder) -> Record:
    """The published snapshot, as one that holds Debian for images of amd64 as well."""
    record = History(deployment).chosen("")
    items = record.suites["bookworm"]
    debian = replace(items[0], origin="debian", architecture="amd64")
    needed = replace(debian, name="debconf", architecture="all", required=True)
    foreign = replace(debian, name="apt", architecture="i386", required=True)
    (deployment.published / "dists/bookworm").rename(deployment.published / "dists/bookworm-images")
    return replace(record, suites={"bookworm": items, "bookworm-images": (*items, debian, needed, foreign)})


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    start(Folder(tmp_path / "lima"), Scenario.ONLINE_SERVER, "lima")
    return resolve(load(Folder(tmp_path / "lima")))


def origin(folder: Folder, plan: Plan, record: Record, architecture: str = "amd64") -> Origin:
    system = System("generic-pc64", "bookworm", architecture, ("sucrose",))
    return Source(folder.published, folder.repository_key, record).origin(system, plan, folder)


def test_a_good_key(deployment: Folder, plan: Plan, complete: Record) -> None:
    found = origin(deployment, plan, complete)
    assert isinstance(found.mirror, Published)
    assert found.keyring == deployment.repository_key.resolve()
    assert found.distribution == "bookworm-images"
    assert found.base == ("?essential", "debconf")
    other = origin(deployment, plan, complete, "armhf")
    assert not isinstance(other.mirror, Published)
    assert other.distribution == "bookworm"


def test_a_repository_that_is_to_be_enough_and_is_not(deployment: Folder, plan: Plan, complete: Record) -> None:
    said = plan.deployment.model_copy(
        update={
            "repository": plan.deployment.repository.model_copy(update={"contents": "complete"}),
            "images": plan.deployment.images.model_copy(update={"models": ("generic-pc64",)}),
        }
    )
    with pytest.raises(
        DeployError, match=r"has nothing of Debian for images of generic-pc64 \(bookworm, armhf\)"
    ) as e:
        origin(deployment, replace(plan, deployment=said), complete, "armhf")
    assert e.value.remedy.endswith(f"derive what is missing: sugar-deploy repo publish -C {deployment.root}")


def test_a_missing_key(deployment: Folder, plan: Plan, complete: Record) -> None:
    deployment.repository_key.unlink()
    with pytest.raises(DeployError, match=r"there is no public key \S+/key\.asc\. Publish first"):
        origin(deployment, plan, complete)


def test_an_expired_key(deployment: Folder, plan: Plan, complete: Record) -> None:
    with keys.signing_keys(deployment, "golden") as (gpg, found):
        gpg.run("--quick-set-expire", found[0].fingerprint, "seconds=1")
        deployment.repository_key.write_text(gpg.run("--armor", "--export", found[0].fingerprint))
    time.sleep(2)
    with pytest.raises(DeployError, match=r"InRelease: the signing key has expired\. Publish again"):
        origin(deployment, plan, complete)


def test_another_key(deployment: Folder, plan: Plan, complete: Record, tmp_path: Path) -> None:
    with keys.signing_keys(Folder(tmp_path / "lima"), "lima"):
        deployment.repository_key.write_text(Folder(tmp_path / "lima").repository_key.read_text())
    with pytest.raises(DeployError, match=r"InRelease: it is signed by another key"):
        origin(deployment, plan, complete)
