"""Which schools, packages and indexes go along, and which the server has."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from sugar_deploy.bundle.manifest import Entry
from sugar_deploy.bundle.parts import RPM_PART
from sugar_deploy.bundle.select import (
    INDEXES,
    Choice,
    image_files,
    refuse_incomplete,
    repository_files,
    schools,
    some_of,
    with_images,
)
from sugar_deploy.deployment.load import load
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.render.carried import CarriedFile
from sugar_deploy.repository.record import Item, Record
from sugar_deploy.scenario.catalogue import package_catalogue
from sugar_deploy.scenario.plan import Plan
from sugar_deploy.scenario.resolve import resolve

LAN = {"interface": "eth1", "address": "172.18.96.1/19"}


def plan(tmp_path: Path, scenarios: dict[str, str], contents: str = "complete") -> Plan:
    names = iter(range(10, 99))
    found = {
        name: {"scenario": scenario, "role": "master", "server": {"address": f"192.0.2.{next(names)}"}, "lan": LAN}
        for name, scenario in scenarios.items()
    }
    for one in found.values():
        if one["scenario"] == "online-server":
            one["uplink"] = {"interface": "eth0"}
        if one["scenario"] == "online-peers":
            del one["lan"]
    text = {"version": 1, "name": "lima", "title": "Lima", "repository": {"contents": contents}, "schools": found}
    (tmp_path / "deployment.yml").write_text(yaml.safe_dump(text))
    return resolve(load(Folder(tmp_path)), package_catalogue())


MIXED = {"city": "online-server", "far": "offline-server", "hill": "peer-server"}


def names(hosts: tuple[object, ...]) -> list[str]:
    return [host.name for host in hosts]  # type: ignore[attr-defined]


def test_by_default_the_schools_without_internet(tmp_path: Path) -> None:
    assert names(schools(plan(tmp_path, MIXED), ())) == ["far", "hill"]


def test_all_schools_where_every_one_has_the_internet(tmp_path: Path) -> None:
    assert names(schools(plan(tmp_path, {"city": "online-server"}), ())) == ["city"]


def test_schools_can_be_named(tmp_path: Path) -> None:
    assert names(schools(plan(tmp_path, MIXED), ("city,hill",))) == ["city", "hill"]


@pytest.mark.parametrize(("wanted", "word"), [(("lost",), "no school is called lost"), (("",), "names no school")])
def test_wrong_schools_are_refused(tmp_path: Path, wanted: tuple[str, ...], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        schools(plan(tmp_path, MIXED), wanted)


def test_a_repository_that_needs_the_internet_is_no_use_without_it(tmp_path: Path) -> None:
    own = plan(tmp_path, MIXED, "own")
    with pytest.raises(UsageError, match="Write `contents: complete`"):
        refuse_incomplete(own, schools(own, ()))
    refuse_incomplete(own, schools(own, ("city",)))


def test_suites_and_architectures_are_those_of_the_repository() -> None:
    assert some_of(("bookworm", "trixie"), (), "suite") == ("bookworm", "trixie")
    assert some_of(("bookworm", "trixie"), ("trixie",), "suite") == ("trixie",)
    with pytest.raises(UsageError, match="no suite sid"):
        some_of(("bookworm", "trixie"), ("sid",), "suite")
    with pytest.raises(UsageError, match="names nothing"):
        some_of(("amd64",), (" ",), "architecture")


def package(name: str, architecture: str, digit: str = "a") -> Item:
    filename = f"pool/main/{name}_{architecture}.deb"
    return Item(name, "1", architecture, digit * 64, 100, name, "1", "debian", filename)


RECORD = Record(
    id="b" * 12,
    serial=2,
    published_at="2026-11-21T06:30:00Z",
    deployment="lima",
    tool="0.1.0",
    suites={
        "bookworm": (package("old", "amd64"), package("old", "arm64"), package("shared", "all")),
        "trixie": (package("new", "amd64"), package("shared", "all")),
    },
    fingerprints=("A" * 40,),
)
LISTING = [
    CarriedFile(path, 100, "a" * 64)
    for path in (
        "dists/bookworm/InRelease",
        "dists/trixie/InRelease",
        "pool/main/left-over_amd64.deb",
        "pool/main/new_amd64.deb",
        "pool/main/old_amd64.deb",
        "pool/main/old_arm64.deb",
        "pool/main/shared_all.deb",
        "snapshot",
        "snapshot.json",
        "yum/repodata/repomd.xml",
    )
]


def chosen(*suites: str, since: Record | None = None, architectures: tuple[str, ...] = ("amd64",)) -> Choice:
    return Choice((), suites, architectures, since)


def test_only_the_chosen_suites_and_architectures_go_along() -> None:
    found = repository_files(Path("/tree"), LISTING, RECORD, chosen("bookworm"))
    assert [one.path for one in found.pieces] == [
        "repository/dists/bookworm/InRelease",
        "repository/pool/main/old_amd64.deb",
        "repository/pool/main/shared_all.deb",
        "repository/snapshot",
        "repository/snapshot.json",
        "repository/yum/repodata/repomd.xml",
    ]
    assert found.pieces[1].source == Path("/tree/pool/main/old_amd64.deb")
    assert found.held == ()


def test_what_images_need_goes_along_whole_where_asked(tmp_path: Path) -> None:
    (tmp_path / "dists/bookworm-images/main").mkdir(parents=True)
    (tmp_path / "dists/bookworm-images/InRelease").write_text("signed")
    (tmp_path / "dists/bookworm-images/main/Packages").write_text("all of them")
    needed = (package("shared", "all"), package("sugar", "i386"))
    record = replace(RECORD, suites={**RECORD.suites, "bookworm-images": needed})
    choice = chosen("bookworm", since=replace(RECORD, id="a" * 12, serial=1))
    without = repository_files(tmp_path, LISTING, record, choice)
    old, shared = (f"repository/pool/main/{name}.deb" for name in ("old_amd64", "shared_all"))
    assert [one.path for one in without.held] == [old, shared]
    assert not [one for one in without.pieces if "images" in one.path or "sugar" in one.path]
    images = image_files(tmp_path, record)
    found = with_images(without, images)
    assert [one.path for one in found.held] == [old]
    assert {one.path for one in found.pieces} - {one.path for one in without.pieces} == {
        "repository/dists/bookworm-images/InRelease",
        "repository/dists/bookworm-images/main/Packages",
        "repository/pool/main/sugar_i386.deb",
        shared,
    }
    assert {one.part for one in images} == {INDEXES, "packages for images of bookworm"}


def test_parts_are_named_for_people() -> None:
    found = repository_files(Path("/tree"), LISTING, RECORD, chosen("bookworm", "trixie"))
    parts = {one.path: one.part for one in found.pieces}
    assert parts["repository/pool/main/shared_all.deb"] == "packages of bookworm, trixie for all architectures"
    assert parts["repository/pool/main/new_amd64.deb"] == "packages of trixie for amd64"
    assert parts["repository/yum/repodata/repomd.xml"] == RPM_PART


def test_what_the_former_snapshot_had_is_left_to_the_server() -> None:
    before = replace(
        RECORD,
        id="a" * 12,
        serial=1,
        suites={"bookworm": (package("old", "amd64"), package("shared", "all", "c"), package("old", "arm64"))},
    )
    found = repository_files(Path("/tree"), LISTING, RECORD, chosen("bookworm", "trixie", since=before))
    # shared has the same name but other bytes: it is not what the server has.
    assert found.held == (Entry("repository/pool/main/old_amd64.deb", 100, "a" * 64),)
    pool = [one.path for one in found.pieces if "/pool/" in one.path]
    assert pool == ["repository/pool/main/new_amd64.deb", "repository/pool/main/shared_all.deb"]


def test_indexes_go_along_whole_even_in_an_incremental_bundle() -> None:
    found = repository_files(Path("/tree"), LISTING, RECORD, chosen("bookworm", since=RECORD))
    paths = {one.path for one in found.pieces}
    assert {"repository/dists/bookworm/InRelease", "repository/snapshot.json"} <= paths
    assert not any("/pool/" in path for path in paths)
