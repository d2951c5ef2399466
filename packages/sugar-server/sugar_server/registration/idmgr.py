# SPDX-License-Identifier: GPL-3.0-or-later
"""The registrations of an XS or XSCE school server: its idmgr's identity.db, table `laptops`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Union

from sugar_server.registration import keys, laptop, wire
from sugar_server.registration.attempt import LONGEST_NICK
from sugar_server.registration.store import Registration

_COLUMNS = ("serial", "nickname", "pubkey", "uuid", "lastmodified", "class_group")
_ADDRESS = "idmgr"
"""Where its registrations came from: no laptop's address is known."""


class UnreadableIdmgr(Exception):
    """The file is no identity.db; the message says why and what to do."""


@dataclass(frozen=True)
class Skipped:
    """A row that is not taken over."""

    row: int
    serial: str
    reason: str


Row = Union[Registration, Skipped]


def read(path: Path) -> list[Row]:
    """What the file holds, row by row; a row with a fault is told, not mended."""
    try:
        # As it is: SQLite would make an empty file where there is none.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            database.text_factory = lambda raw: raw.decode("utf-8", "replace")
            names = [row[1] for row in database.execute("PRAGMA table_info(laptops)")]
            missing = [name for name in _COLUMNS if name not in names]
            if missing:
                raise UnreadableIdmgr(
                    f"{path}: its table laptops lacks {', '.join(missing)}. Give idmgr's identity.db."
                    if names
                    else f"{path}: has no table laptops. Give idmgr's identity.db."
                )
            rows = database.execute(f"SELECT {', '.join(_COLUMNS)} FROM laptops ORDER BY rowid").fetchall()  # noqa: S608
    except sqlite3.Error as error:
        raise UnreadableIdmgr(f"{path}: cannot be read ({error}). Give idmgr's identity.db.") from error
    return list(_registrations(rows))


def _registrations(rows: list[tuple[Any, ...]]) -> Iterator[Row]:
    for number, row in enumerate(rows, 1):
        try:
            yield _registration(dict(zip(_COLUMNS, row)))
        except ValueError as error:
            yield Skipped(number, str(row[0]), str(error))


def _registration(row: dict[str, Any]) -> Registration:
    for name in ("serial", "nickname", "pubkey"):
        if not isinstance(row[name], str):
            raise ValueError(f"{name} is not a text")
    serial = laptop.check_serial(row["serial"])
    key = keys.parse(row["pubkey"])
    uuid = laptop.clean_uuid(row["uuid"]) if isinstance(row["uuid"], str) else None
    at = _moment(row["lastmodified"])
    return Registration(
        fingerprint=key.fingerprint,
        key=key.text,
        pubkey=row["pubkey"],
        serial=serial,
        hardware=laptop.is_hardware_serial(serial, uuid, at.timestamp()),
        uuid=uuid,
        nick=wire.without_what_xml_forbids(row["nickname"])[:LONGEST_NICK],
        address=_ADDRESS,
        at=at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        class_group=None if row["class_group"] in {None, ""} else str(row["class_group"])[:100],
    )


def _moment(text: object) -> datetime:
    try:
        return datetime.strptime(f"{text} +0000", "%Y-%m-%d %H:%M:%S %z")
    except ValueError:
        raise ValueError(f"lastmodified is no time as 2012-01-31 12:00:00: {text!r:.40}") from None
