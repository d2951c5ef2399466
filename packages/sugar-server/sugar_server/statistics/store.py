# SPDX-License-Identifier: GPL-3.0-or-later
"""The school's sums, day by day, and for each laptop, under a pseudonym, when it last reported what.

No sample of a single laptop is kept. The pseudonym is made with a secret of this server, so that the database alone
tells nobody which child reported.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from sugar_server.database import Database
from sugar_server.statistics.upload import Sample, Upload

NAME = "statistics.db"
_KEY = "statistics.secret"
_MOST_NAMES = 500
"""Of databases of one laptop: a child has fewer activities."""
_TRUSTED_LATER = timedelta(days=3)
_LONGEST_HOLIDAYS = timedelta(days=400)
STEPS = (
    (
        """
        CREATE TABLE latest (
            laptop TEXT NOT NULL,               -- its pseudonym
            name TEXT NOT NULL,
            at INTEGER NOT NULL,                 -- seconds since 1970
            PRIMARY KEY (laptop, name)
        )
        """,
        """
        CREATE TABLE sums (
            day TEXT NOT NULL,                  -- UTC, as 2026-01-31
            name TEXT NOT NULL,                 -- of the database, as activity.org.laptop.Write
            field TEXT NOT NULL,
            total REAL NOT NULL,
            samples INTEGER NOT NULL,            -- total / samples is the mean of a gauge
            laptops INTEGER NOT NULL,
            PRIMARY KEY (day, name, field)
        )
        """,
    ),
)


class TooMany(Exception):
    """The laptop reports more databases than any laptop has."""


@dataclass(frozen=True)
class Sum:
    """One field's sum over the school's laptops on one day."""

    day: str
    name: str
    field: str
    total: float
    samples: int
    laptops: int


class Store:
    """One connection to the statistics, for use by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        self._database = Database(folder / NAME, STEPS)
        self._secret = _secret(folder / _KEY)
        self.transaction = self._database.transaction
        self.part = self._database.part
        self.close = self._database.close

    def pseudonym(self, guid: str) -> str:
        """What a laptop is called here."""
        return hmac.new(self._secret, guid.lower().encode(), hashlib.sha256).hexdigest()[:32]

    def latest(self, guid: str) -> dict[str, int]:
        """Up to which moment each database of a laptop is known."""
        laptop = self.pseudonym(guid)
        rows = self._database.rows("SELECT name, at FROM latest WHERE laptop = ?", laptop)
        return {row["name"]: row["at"] for row in rows}

    def add(self, guid: str, upload: Upload) -> int:
        """Adds what is newer than what is known, and returns how many samples that were."""
        known = self.latest(guid)
        if upload.name not in known and len(known) >= _MOST_NAMES:
            raise TooMany(f"a laptop reports at most {_MOST_NAMES} databases")
        last = known.get(upload.name)
        fresh = [sample for sample in upload.samples if last is None or sample.at > last]
        for sample in fresh:
            self._sum(upload.name, sample, is_first=last is None or _day(sample.at) != _day(last))
            last = sample.at
        if fresh:
            self._database.run(
                "INSERT INTO latest (laptop, name, at) VALUES (?, ?, ?) "
                "ON CONFLICT (laptop, name) DO UPDATE SET at = excluded.at",
                self.pseudonym(guid),
                upload.name,
                last,
            )
        return len(fresh)

    def _sum(self, name: str, sample: Sample, *, is_first: bool) -> None:
        for field, value in sample.fields.items():
            self._database.run(
                "INSERT INTO sums (day, name, field, total, samples, laptops) VALUES (?, ?, ?, ?, 1, ?) "
                "ON CONFLICT (day, name, field) DO UPDATE SET total = sums.total + excluded.total, "
                "samples = sums.samples + 1, laptops = sums.laptops + excluded.laptops",
                _day(sample.at),
                name,
                field,
                value,
                int(is_first),
            )

    def sums(self, first: str, last: str) -> list[Sum]:
        """All sums of the days from FIRST to LAST, both included, in order."""
        rows = self._database.rows(
            "SELECT day, name, field, total, samples, laptops FROM sums WHERE day >= ? AND day <= ? "
            "ORDER BY day, name, field",
            first,
            last,
        )
        return [Sum(**row) for row in rows]

    def forget_before(self, now: float, keep_days: int) -> int:
        """Removes what is older than the school wants to keep, and returns how many sums that were.

        A clock that is years ahead of what laptops reported until now is wrong, and makes nothing old.
        """
        at = datetime.fromtimestamp(now, timezone.utc)
        # The last days may be of that very clock.
        before = (at - _TRUSTED_LATER).strftime("%Y-%m-%d")
        newest = self._database.rows("SELECT max(day) AS day FROM sums WHERE day < ?", before)[0]["day"]
        if newest is not None:
            at = min(at, datetime.strptime(newest, "%Y-%m-%d").replace(tzinfo=timezone.utc) + _LONGEST_HOLIDAYS)
        day = at - timedelta(days=keep_days)
        self._database.run("DELETE FROM latest WHERE at < ?", int(day.timestamp()))
        return self._database.run("DELETE FROM sums WHERE day < ?", day.strftime("%Y-%m-%d"))


def _day(at: int) -> str:
    # A sample is about the time that ends with it: one of midnight is the day before's.
    return datetime.fromtimestamp(at - 1, timezone.utc).strftime("%Y-%m-%d")


def _secret(path: Path) -> bytes:
    """The server's secret, made at first use; whole or not there, whatever happens meanwhile."""
    if not path.exists():
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(32))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    return path.read_bytes()
