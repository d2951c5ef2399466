# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a Journal back, or one entry of it."""

from __future__ import annotations

import re
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_client.backup import bundle, datastore, sessions
from sugar_client.backup.registration import Registration
from sugar_client.backup.run import port, snapshots
from sugar_client.backup.server import Server
from sugar_client.backup.ssh import Connection
from sugar_client.command import Failed
from sugar_client.profile import Profile

_UID = re.compile(r"[0-9A-Za-z-]{36}")
_SNAPSHOT = re.compile(r"datastore-[0-9_:-]{16}")


@dataclass(frozen=True)
class Restored:
    """What was done."""

    snapshot: str
    entries: int
    kept: Path | None
    """Where the Journal is that was there before."""


def connect(profile: Profile) -> Connection:
    """The way to the server's backups; it gives a port to whoever may begin a transfer."""
    registration = Registration.read(profile)
    if registration is None:
        raise Failed("this laptop is not registered for backups. Run: sugar-client register")
    server = Server(registration.server)
    status, answer = server.ask("GET", f"/backup/1/slot/{registration.serial}")
    if status != 200:
        why = answer.get("reason", f"status {status}")
        seconds = answer.get("retry_after_seconds")
        remedy = f"Try again in {-(-seconds // 60)} minutes." if isinstance(seconds, int) else "Is it registered?"
        raise Failed(f"{server.address} gives {registration.serial} no way to its backups now: {why}. {remedy}")
    return Connection(profile, registration, port(answer))


def whole(profile: Profile, connection: Connection, wanted: str | None) -> Restored:
    """Makes a snapshot the Journal, the newest if none is named; what was interrupted goes on."""
    _require_closed(profile)
    name, entries = _chosen(connection, wanted)
    new = profile.folder / "datastore.restoring"
    new.mkdir(mode=0o755, exist_ok=True)
    connection.fetch(name, new)
    fault = datastore.sound(new, entries)
    if fault:
        raise Failed(f"what came of {name} is not sound: {fault}. The Journal is as it was; try another one.")
    _require_closed(profile)
    kept = profile.folder / f"datastore.before-{time.strftime('%Y-%m-%d_%H-%M-%S')}"
    replaced = datastore.put_in_place(new, profile.datastore, kept)
    return Restored(name, entries, kept if replaced else None)


def one(profile: Profile, connection: Connection, wanted: str | None, uid: str, target: Path) -> str:
    """Writes one entry of a snapshot to TARGET, as a bundle, and returns the snapshot's name."""
    if not _UID.fullmatch(uid):
        raise Failed(f"{uid} is not the uid of a Journal entry: 36 letters, digits and hyphens.")
    name, _ = _chosen(connection, wanted)
    only = (f"--include=/{uid[:2]}/", f"--include=/{uid[:2]}/{uid}/***", "--exclude=*")
    with tempfile.TemporaryDirectory(dir=profile.make_own(), prefix=".entry-") as scratch:
        connection.fetch(name, Path(scratch), only)
        entry = Path(scratch, uid[:2], uid)
        if not (entry / "metadata").is_dir():
            raise Failed(f"{name} has no entry {uid}. Other snapshots may: sugar-client restore --list")
        try:
            bundle.write(entry, target)
        except OSError as error:
            raise Failed(f"{target}: {error.strerror}.") from None
    return name


def _chosen(connection: Connection, wanted: str | None) -> tuple[str, int]:
    """The name of a snapshot and its number of entries."""
    found: list[dict[str, Any]] = snapshots(connection)
    for each in found:
        name, entries = each.get("snapshot"), each.get("entries")
        if not isinstance(name, str) or not _SNAPSHOT.fullmatch(name) or not isinstance(entries, int):
            continue
        if wanted is None or wanted in {name, name[len("datastore-") :]}:
            return name, entries
    if wanted is None:
        raise Failed(
            "the school server has no backup of this child. One of an earlier laptop is given to this one there, "
            f"with: sugar-server adopt OLD {connection.registration.serial}"
        )
    raise Failed(f"the school server has no snapshot {wanted}. See: sugar-client restore --list")


def _require_closed(profile: Profile) -> None:
    if sessions.runs(profile.folder):
        raise Failed(
            "Sugar is running and would write into the Journal. Log out of Sugar, log in on a text console "
            "(Ctrl+Alt+F3), and run it again there."
        )
    if not sessions.end_service(profile.folder):
        raise Failed("Sugar is closed, but its datastore service does not end. Restart the laptop and try again.")
