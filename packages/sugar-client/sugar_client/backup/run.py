# SPDX-License-Identifier: GPL-3.0-or-later
"""One attempt at the day's backup."""

from __future__ import annotations

import contextlib
import fcntl
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sugar_client.backup import guards
from sugar_client.backup.datastore import count_entries
from sugar_client.backup.guards import State
from sugar_client.backup.registration import Registration, register
from sugar_client.backup.server import Server, Unreachable
from sugar_client.backup.ssh import Connection
from sugar_client.command import Failed
from sugar_client.profile import Profile, sugars_server


class NothingToDo(Exception):
    """There is no backup to make now; the message says why. It is not a fault."""


def back_up(profile: Profile, *, now: bool = False) -> str:
    """Backs up the Journal and returns the snapshot's name; with NOW, also on battery and once more on one day."""
    with alone(profile):
        state = State.read(profile)
        why = guards.told_to_wait(state, time.time()) if now else guards.nothing_to_do(state, time.time())
        if why:
            raise NothingToDo(why)
        if not count_entries(profile.datastore):
            # A reflashed laptop: what the server has is worth more.
            raise NothingToDo("the Journal is empty; sugar-client restore brings back what the school server has")
        try:
            snapshot = _bring(profile, state)
        except Failed as error:
            replace(State.read(profile), failure=str(error)).write(profile)
            raise
        state.done(snapshot, time.time()).write(profile)
        return snapshot


def _bring(profile: Profile, state: State) -> str:
    try:
        registration = Registration.read(profile) or _register(profile)
        connection = Connection(profile, registration, _slot(profile, registration, state))
    except Unreachable as error:
        raise NothingToDo(str(error)) from None
    connection.bring(profile.datastore)
    with tempfile.TemporaryDirectory(dir=profile.own, prefix=".marker-") as scratch:
        connection.complete(Path(scratch))
    found = snapshots(connection)
    if not found:
        raise Failed(f"{registration.server} took the Journal but has no snapshot. Its journal says why.")
    return str(found[0]["snapshot"])


def _register(profile: Profile) -> Registration:
    server = sugars_server()
    if server is None:
        raise NothingToDo("not registered; use Register in Sugar, or: sugar-client register")
    return register(profile, server)


def _slot(profile: Profile, registration: Registration, state: State) -> int:
    """The port to bring the Journal to, if the server lets us begin."""
    server = Server(registration.server)
    status, answer = server.ask("GET", f"/backup/1/slot/{registration.serial}")
    if "slot" not in answer:
        raise Unreachable(f"{server.address} is no school server for backups (status {status})")
    if status == 503:
        state = state.wait(_seconds(answer.get("retry_after_seconds")), time.time())
        state.write(profile)
        raise NothingToDo(f"{guards.told_to_wait(state, time.time())} ({answer.get('reason', 'no reason given')})")
    if status != 200:
        why = answer.get("reason", f"status {status}")
        raise Failed(f"{server.address} takes no backup of {registration.serial}: {why}. Try: sugar-client register")
    return port(answer)


def port(answer: dict[str, Any]) -> int:
    """The port in an answer of the server's."""
    value = answer.get("port")
    if not isinstance(value, int) or not 0 < value < 65536:
        raise Failed("the school server names no port for backups. Its sugar-server is too old or too new.")
    return value


def snapshots(connection: Connection) -> list[dict[str, Any]]:
    """What the server keeps of this child: snapshot and entries of each, the newest first."""
    try:
        return [each for each in json.loads(connection.run("snapshots")) if isinstance(each, dict)]
    except (ValueError, TypeError):
        raise Failed("the school server's list of snapshots cannot be read.") from None


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, (int, float)) and value > 0 else 600.0


@contextlib.contextmanager
def alone(profile: Profile) -> Iterator[None]:
    """No other backup or restoration of this child meanwhile."""
    with (profile.make_own() / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise NothingToDo("another backup or restoration is under way") from None
        yield
