"""Changelogs, the security tracker's data, and which packages differ."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.repository.changelog import parse
from sugar_deploy.repository.diff import kind_of, pairs
from sugar_deploy.repository.record import Item, Record
from sugar_deploy.repository.record import parse as parse_record
from sugar_deploy.repository.tracker import Tracker, read_tracker

CHANGELOG = """\
curl (7.88.1-10+deb12u5) bookworm-security; urgency=high

  * Non-maintainer upload.
  * CVE-2023-46218: cookie mixed case PSL bypass
    (Closes: #1057646); also CVE-2023-46219, and CVE-2023-46218 once more

 -- Somebody <somebody@example.org>  Sat, 16 Dec 2023 12:30:00 +0100

curl (7.88.1-10+deb12u4) bookworm; urgency=medium

  [ Another ]
  * Nothing of note.

 -- Another <a@example.org>  Wed, 04 Oct 2023 09:00:00 +0200
Local variables:
"""


def test_a_changelogs_entries() -> None:
    first, second = parse(CHANGELOG)
    assert (first.version, second.version) == ("7.88.1-10+deb12u5", "7.88.1-10+deb12u4")
    assert first.cves == ("CVE-2023-46218", "CVE-2023-46219")
    assert second.cves == ()
    assert second.text == "  [ Another ]\n  * Nothing of note."
    assert second.date == "Wed, 04 Oct 2023 09:00:00 +0200"
    assert list(parse("no changelog at all\n")) == []


def _issue(status: str, fixed: str, suite: str = "bookworm", urgency: str = "medium") -> dict:
    return {"releases": {suite: {"status": status, "fixed_version": fixed, "urgency": urgency}}}


TRACKER = {
    "curl": {
        "CVE-2023-0001": _issue("resolved", "7.88.1-10+deb12u5", urgency="high"),
        "CVE-2023-0002": _issue("resolved", "7.88.1-10+deb12u4"),
        "CVE-2023-0003": _issue("open", ""),
        "CVE-2023-0004": _issue("resolved", "0"),
        "CVE-2023-0005": _issue("resolved", "7.88.1-10+deb12u9"),
        "CVE-2023-0006": _issue("resolved", "8.0", suite="trixie"),
        "TEMP-0000000-ABCDEF": _issue("resolved", "7.88.1-10+deb12u5"),
    }
}


def test_the_tracker_tells_what_lies_between_two_versions() -> None:
    tracker = Tracker(TRACKER)
    older, newer = "7.88.1-10+deb12u4", "7.88.1-10+deb12u5"
    assert tracker.fixed("curl", "bookworm", older, newer) == {"CVE-2023-0001": "high"}
    assert tracker.fixed("curl", "bookworm", "7.88.1-10", newer) == {
        "CVE-2023-0001": "high",
        "CVE-2023-0002": "medium",
    }
    assert tracker.fixed("curl", "trixie", "7.88", "8.1") == {"CVE-2023-0006": "medium"}
    assert tracker.fixed("wget", "bookworm", older, newer) == {}


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"a": 1}', '{"curl": {"CVE-2023-1": 5}}', '{"curl": {"CVE-2": {}}}']
)
def test_what_is_no_data_of_the_tracker_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "tracker.json"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"tracker\.json") as refused:
        read_tracker(file)
    assert "security-tracker.debian.org" in refused.value.remedy


def test_the_tracker_is_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "tracker.json"
    file.write_text(json.dumps(TRACKER))
    assert read_tracker(file).data == TRACKER
    with pytest.raises(UsageError, match="cannot be read"):
        read_tracker(tmp_path / "none.json")


def _item(name: str, version: str, architecture: str = "amd64", content: str = "") -> Item:
    sha256 = content or f"{name}{version}{architecture}"
    return Item(name, version, architecture, sha256, 1, name, version, "debian", f"pool/{name}")


def test_which_packages_differ_and_how() -> None:
    before = (_item("a", "1"), _item("b", "2"), _item("c", "1"), _item("d", "1"), _item("e", "1"), _item("f", "1"))
    after = (
        *(_item("a", "1"), _item("b", "1"), _item("c", "1+deb12u1"), _item("d", "1", content="new")),
        *(_item("e", "1"), _item("e", "2"), _item("g", "1")),
    )
    kinds = {(old or new).name: kind_of(old, new) for old, new in pairs(before, after)}
    assert kinds == {
        "b": "downgraded",
        "c": "upgraded",
        "d": "rebuilt",
        "e": "upgraded",
        "f": "removed",
        "g": "added",
    }


def test_a_record_is_read_as_it_was_written() -> None:
    record = Record(
        "0123456789ab", 3, "2026-01-01T00:00:00Z", "lima", {"trixie": (_item("a", "1"),), "sid": ()}, ("F",), "1"
    )
    assert parse_record(record.text()) == record
    assert len(record.text().splitlines()) < 20, "a package a line"
    for bad in ("", "[]", "{}", '{"format": 2}', record.text().replace('"version"', '"edition"')):
        with pytest.raises(ValueError, match=r".+"):
            parse_record(bad)
