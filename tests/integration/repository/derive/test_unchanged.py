"""Publishing a complete repository again, with nothing changed: no work, no package read, and soon done."""

from __future__ import annotations

import functools
import time
from pathlib import Path

import pytest

from sugar_deploy.folder import Folder
from sugar_deploy.repository import gather as gathering
from sugar_deploy.repository.build import cache_folder
from sugar_deploy.repository.derive import derive
from sugar_deploy.repository.publish import Publication, publish
from tests.integration.repository.derive.conftest import Deriving
from tests.integration.repository.derive.minidebian import Web
from tests.integration.repository.derive.opened import opened
from tests.integration.repository.handmade import make_deb

SECONDS = 5
"""What the product promises for a repository of real size; this one has a dozen packages."""


@pytest.fixture
def folder(deriving: Deriving, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """A deployment with packages of every origin, published once."""
    taking = functools.partial(derive, cache=deriving.root / "cache", keyring=deriving.keyring)
    monkeypatch.setattr(gathering, "derive", taking)
    made = Folder(deriving.root / "deployment")
    deriving.plan()
    make_deb(made.debs, "songs")
    return made


@pytest.fixture
def again(deriving: Deriving, folder: Folder, sources: Path) -> functools.partial[Publication]:
    """Publishes; for the first time before the test begins."""
    publishing = functools.partial(publish, folder, deriving.plan(), deriving.said.append, sources=sources)
    done = publishing()
    assert {one.origin for one in done.record.items} == {"ours", "configuration", "deployer", "debian"}
    # What was written the moment before is read once more: only then is it known by its time.
    publishing()
    return publishing


def test_unchanged_is_soon_done_and_opens_no_package(
    again: functools.partial[Publication], deriving: Deriving, folder: Folder, web: Web
) -> None:
    web.asked.clear()
    started = time.monotonic()
    with opened(folder.root, deriving.root / "cache", cache_folder()) as seen:
        done = again()
    assert time.monotonic() - started < SECONDS
    assert not done.changed
    assert web.pool() == []
    assert seen, "the indexes at least are read"
    assert [path for path in seen if path.suffix == ".deb"] == []


def test_where_one_package_changes_none_of_debians_is_opened(
    again: functools.partial[Publication], deriving: Deriving, folder: Folder, web: Web
) -> None:
    (folder.debs / "songs_1_all.deb").unlink()
    make_deb(folder.debs, "songs", "2")
    web.asked.clear()
    with opened(folder.debs, deriving.root / "cache") as seen:
        done = again()
    assert done.changed
    assert web.pool() == []
    assert {path.name for path in seen if path.suffix == ".deb"} == {"songs_2_all.deb"}
