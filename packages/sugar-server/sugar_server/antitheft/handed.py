# SPDX-License-Identifier: GPL-3.0-or-later
"""Which lease each laptop got at boot, and when: noted by the activation service, which may not write to the tables.

A note is a file below the daemon's state: its name is the serial number, its content the lease, its time the moment.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from olpc_security.records import LEASE, Timed, parse
from olpc_security.rules import Refusal

from sugar_server.antitheft.grants import end_of
from sugar_server.antitheft.store import Kept, Standing

FOLDER = "activations"
_TOLD_AGAIN_SECONDS = 3600
"""Within so long nothing is noted again: who asks over and over does not wear out the disk."""
_LONGEST_BYTES = 16 * 1024


@dataclass(frozen=True)
class Handed:
    """A lease, and when it was handed out."""

    lease: Kept
    at: int


def note(state: Path, lease: Kept, now: float) -> None:
    """Notes that the laptop got this lease; raises OSError."""
    before = noted(state, lease.serial)
    if before and before.lease == lease and 0 <= now - before.at < _TOLD_AGAIN_SECONDS:
        return
    (state / FOLDER).mkdir(mode=0o700, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=".", dir=state / FOLDER)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(lease.line.encode("ascii"))
        os.utime(name, (now, now))
        # Not flushed to the disk: a note that a power cut takes is made again by the next request.
        Path(name).replace(state / FOLDER / lease.serial)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(name).unlink()
        raise


def noted(state: Path, serial: str) -> Handed | None:
    """The latest note of a laptop; None if there is none, or none that is whole."""
    try:
        with (state / FOLDER / serial).open("rb") as file:
            line, at = file.read(_LONGEST_BYTES).decode("latin-1"), int(os.fstat(file.fileno()).st_mtime)
        record = parse(line.rstrip("\n"))
        if not isinstance(record, Timed) or record.word != LEASE or record.serial != serial:
            return None
        return Handed(Kept(serial, record.line, end_of(record.expires)), at)
    except (OSError, Refusal):
        return None


def with_note(standing: Standing, handed: Handed | None) -> Standing:
    """What is known of a laptop, the lease that it got at boot included."""
    if handed is None or handed.lease == standing.lease:
        return standing
    if standing.issued is not None and standing.issued.ends >= handed.lease.ends:
        return standing
    return replace(standing, issued=handed.lease)
