# SPDX-License-Identifier: GPL-3.0-or-later
"""What the daemon keeps open of this room while it runs, or why the room is out of order."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sugar_server.antitheft.clock import Watch
from sugar_server.antitheft.store import Standing, Store
from sugar_server.writer import Writer

if TYPE_CHECKING:
    from olpc_security.keys import PrivateKey


@dataclass(frozen=True)
class Room:
    """The tables, this server's key, and who looks at the clock."""

    folder: Path
    writer: Writer[Store]
    key: PrivateKey
    watch: Watch

    @property
    def problems(self) -> list[str]:
        """For the health report."""
        return self.watch.problems

    def with_note(self, standing: Standing) -> tuple[Standing, int | None]:
        """What is known of a laptop, the lease that it got at boot included, and when it got that."""
        from sugar_server.antitheft.handed import noted, with_note

        handed = noted(self.folder, standing.serial)
        return with_note(standing, handed), handed.at if handed else None


@dataclass(frozen=True)
class OutOfOrder:
    """In the room's place while its tables or its key cannot be used: the other rooms go on without it."""

    reason: str

    @property
    def problems(self) -> list[str]:
        """For the health report."""
        return [f"laptops get no leases: {self.reason} Then restart sugar-server."]


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Room]:
    """The room of a state folder. It makes the server's key, if there is none. Raises UnusableDatabase, OSError."""
    # Only here: a daemon without leases has no use for the megabytes of a cryptographic library.
    from sugar_server.antitheft.key import make_own_key

    with contextlib.closing(Writer(lambda: Store(folder))) as writer:
        room = Room(folder, writer, make_own_key(folder), Watch(writer))
        with contextlib.closing(room.watch):
            room.watch.start()
            yield room
