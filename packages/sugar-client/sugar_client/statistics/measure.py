# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes samples of days: of the Journal's entries, and of the machine as it is now."""

from __future__ import annotations

import importlib.util
import os
import re
import shlex
from collections.abc import Iterable
from pathlib import Path

from sugar_client.statistics.journal import Entry, Launch
from sugar_client.statistics.sample import DAY_SECONDS, Sample

_ACTIVITY_FIELDS = ("uptime", "instances", "new", "resumed")
_JOURNAL_FIELDS = ("creates", "updates")
_NO_FIELD = re.compile(r"[^A-Za-z0-9_.:+~ -]")
_MOST_CHARACTERS = 80


def usage(entries: Iterable[Entry], after: int, until: int) -> list[Sample]:
    """The samples of the days whose ends lie behind AFTER and not behind UNTIL, in order.

    A session counts for the day on which it began. An entry counts once a day: as created, or as updated if it is
    older than that day. Of the changes that no activity was launched for only the last one is known.
    """
    sums: dict[tuple[int, str], dict[str, int]] = {}

    def count(at: int, name: str, fields: tuple[str, ...], **more: int) -> None:
        end = _day_end(at)
        if after < end <= until:
            total = sums.setdefault((end, name), dict.fromkeys(fields, 0))
            for field, number in more.items():
                total[field] += number

    known = list(entries)
    for activity, launch in _launches(known):
        is_new = int(launch.is_first)
        more = {"uptime": launch.spent_seconds, "instances": 1, "new": is_new, "resumed": 1 - is_new}
        count(launch.at, f"activity.{activity}", _ACTIVITY_FIELDS, **more)
    for entry in known:
        created = None if entry.created_at is None else _day_end(entry.created_at)
        if entry.created_at is not None:
            count(entry.created_at, "journal", _JOURNAL_FIELDS, creates=1)
        moments = [launch.at for launch in entry.launches if not launch.is_first]
        moments += [] if entry.changed_at is None else [entry.changed_at]
        for end in {_day_end(at) for at in moments}:
            if created is None or end > created:
                count(end - 1, "journal", _JOURNAL_FIELDS, updates=1)
    return [Sample(name, at, fields) for (at, name), fields in sorted(sums.items())]


def _launches(entries: Iterable[Entry]) -> list[tuple[str, Launch]]:
    """Each launch once: an entry's copy in the Journal brings the original's launches along."""
    found: dict[tuple[str, int], Launch] = {}
    for entry in entries:
        for launch in entry.launches if entry.activity else ():
            key = (entry.activity or "", launch.at)
            if key not in found or found[key].spent_seconds < launch.spent_seconds:
                found[key] = launch
    return [(activity, launch) for (activity, _), launch in found.items()]


def _day_end(at: int) -> int:
    return at // DAY_SECONDS * DAY_SECONDS + DAY_SECONDS


def machine(profile: Path, at: int, root: Path = Path("/")) -> list[Sample]:
    """What is free on the disk, in bytes, and the versions of Sugar and the system: known for now only."""
    disk = os.statvfs(profile)
    software = [f"sugar {version}" for version in filter(None, [_sugar()])]
    software += filter(None, [_system(root)])
    samples = [Sample("system", at, {"diskfree": disk.f_bavail * disk.f_frsize})]
    if software:
        samples.append(Sample("software", at, {_NO_FIELD.sub("_", name)[:_MOST_CHARACTERS]: 1 for name in software}))
    return samples


def _sugar() -> str | None:
    """Sugar's version, from the file in which it says so itself; nothing of it is run."""
    found = importlib.util.find_spec("jarabe")
    if found is None or found.origin is None:
        return None
    match = re.search(r"^version = '([^']+)'$", _text(Path(found.origin).with_name("config.py")), re.MULTILINE)
    return match.group(1) if match else None


def _system(root: Path) -> str | None:
    """As `debian 12`: os-release(5)."""
    text = _text(root / "etc" / "os-release") or _text(root / "usr" / "lib" / "os-release")
    said: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition("=")
        try:
            said[key.strip()] = "".join(shlex.split(value))
        except ValueError:
            continue
    return " ".join(filter(None, [said.get("ID", "linux"), said.get("VERSION_ID")])) if said else None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
