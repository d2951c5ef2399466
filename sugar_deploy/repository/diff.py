"""What has changed from one snapshot to another: packages, versions, changelogs, vulnerabilities fixed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sugar_deploy.repository.changelog import Entry, entries_between
from sugar_deploy.repository.record import Item, Record
from sugar_deploy.repository.snapshots import History
from sugar_deploy.repository.tracker import Tracker
from sugar_deploy.repository.versions import compare
from sugar_deploy.repository.versions import key as version_key

KINDS = ("added", "removed", "upgraded", "downgraded", "rebuilt")
"""rebuilt: other content under the same version."""


@dataclass(frozen=True, slots=True)
class Change:
    """A package of a suite that is not the same in both snapshots."""

    suite: str
    name: str
    kind: str
    architectures: tuple[str, ...]
    source: str
    before: str = ""
    after: str = ""
    origin: str = ""
    changelog: tuple[Entry, ...] = ()
    """The latest first."""
    cves: Mapping[str, str] = field(default_factory=dict)
    """Vulnerabilities fixed, with their urgency where the security tracker names one."""

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return {
            "suite": self.suite,
            "name": self.name,
            "change": self.kind,
            "architectures": list(self.architectures),
            "source": self.source,
            "before": self.before or None,
            "after": self.after or None,
            "origin": self.origin,
            "cves": [{"id": name, "urgency": urgency or None} for name, urgency in self.cves.items()],
            "changelog": [{"version": one.version, "date": one.date, "text": one.text} for one in self.changelog],
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """From one snapshot to another."""

    before: Record
    after: Record
    changes: tuple[Change, ...]
    unread: tuple[str, ...]
    """Packages whose changelogs are not there to be read, because they are no longer kept."""

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        ends = {
            "from": {"id": self.before.id, "serial": self.before.serial, "published_at": self.before.published_at},
            "to": {"id": self.after.id, "serial": self.after.serial, "published_at": self.after.published_at},
        }
        return {**ends, "changes": [change.as_dict() for change in self.changes], "unread": list(self.unread)}


def diff(history: History, before: Record, after: Record, tracker: Tracker | None = None) -> Difference:
    """All changes, sorted by suite and name."""
    changes: list[Change] = []
    unread: set[str] = set()
    suites = sorted({*before.suites, *after.suites})
    for suite in suites:
        paired = pairs(before.suites.get(suite, ()), after.suites.get(suite, ()))
        alike = itertools.groupby(paired, lambda pair: _alike(*pair))
        for _, group in alike:
            found = list(group)
            changes.append(_change(suite, found, history, before, after, tracker, unread))
    return Difference(before, after, tuple(changes), tuple(sorted(unread)))


def pairs(before: tuple[Item, ...], after: tuple[Item, ...]) -> list[tuple[Item | None, Item | None]]:
    """Packages that differ, old and new, by name and architecture; of several versions, the latest counts. Pure."""
    old, new = _latest(before), _latest(after)
    both = [(old.get(key), new.get(key)) for key in {*old, *new}]
    changed = [pair for pair in both if (pair[0] and pair[0].sha256) != (pair[1] and pair[1].sha256)]
    return sorted(changed, key=lambda pair: (_alike(*pair), _one(*pair).architecture))


def _latest(items: tuple[Item, ...]) -> dict[tuple[str, str], Item]:
    by_version = sorted(items, key=lambda item: version_key(item.version))
    return {(item.name, item.architecture): item for item in by_version}


def _one(before: Item | None, after: Item | None) -> Item:
    found = after or before
    assert found is not None
    return found


def _alike(before: Item | None, after: Item | None) -> tuple[str, ...]:
    """What a person sees as one change, whatever the architecture."""
    return (_one(before, after).name, before.version if before else "", after.version if after else "")


def kind_of(before: Item | None, after: Item | None) -> str:
    """One of KINDS. Pure."""
    if before is None:
        return "added"
    if after is None:
        return "removed"
    order = compare(after.version, before.version)
    return "rebuilt" if order == 0 else "upgraded" if order > 0 else "downgraded"


def _change(
    suite: str,
    found: list[tuple[Item | None, Item | None]],
    history: History,
    before: Record,
    after: Record,
    tracker: Tracker | None,
    unread: set[str],
) -> Change:
    old, new = found[0]
    kind, one = kind_of(old, new), _one(old, new)
    entries: tuple[Entry, ...] = ()
    cves: dict[str, str] = {}
    if old and new and kind in {"upgraded", "downgraded"}:
        (older, newer), record = ((old, new), after) if kind == "upgraded" else ((new, old), before)
        if deb := history.package(record, newer.filename):
            siblings = _Siblings(history, record, suite, newer.architecture)
            entries = entries_between(deb, newer.name, *_told(older, newer), siblings.find)
        else:
            unread.add(newer.name)
        if kind == "upgraded":
            cves = dict.fromkeys(sorted({cve for entry in entries for cve in entry.cves}), "")
            if tracker:
                cves |= tracker.fixed(new.source, suite, old.source_version, new.source_version)
    return Change(
        suite=suite,
        name=one.name,
        kind=kind,
        architectures=tuple(_one(*pair).architecture for pair in found),
        source=one.source,
        before=old.version if old else "",
        after=new.version if new else "",
        origin=one.origin,
        changelog=entries,
        cves=dict(sorted(cves.items())),
    )


def _told(older: Item, newer: Item) -> tuple[str, str]:
    """The versions by which a changelog tells them apart: the source's, except where that was only built again."""
    if older.source_version == newer.source_version:
        return older.version, newer.version
    return older.source_version, newer.source_version


@dataclass(frozen=True, slots=True)
class _Siblings:
    """Other packages of a suite, for those that keep their documentation in one of them."""

    history: History
    record: Record
    suite: str
    architecture: str

    def find(self, name: str) -> Path | None:
        for item in self._named(name):
            return self.history.package(self.record, item.filename)
        return None

    def _named(self, name: str) -> Iterator[Item]:
        for item in self.record.suites.get(self.suite, ()):
            if item.name == name and item.architecture in {"all", self.architecture}:
                yield item
