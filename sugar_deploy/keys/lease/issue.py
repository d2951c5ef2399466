"""Issuing the leases of a whole list, on all cores; a run that was cut off is carried on where it stopped.

What is ready stands in a draft beside a note of what was asked for. Only a whole file gets its name.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import IO

from olpc_security import records
from olpc_security.batch import Wish, issue_leases
from olpc_security.fields import Fields
from olpc_security.keys import PrivateKey, PublicKey
from olpc_security.laptop import Laptop
from olpc_security.records import RtcReset, Timed, timed_text
from olpc_security.rules import Refusal
from olpc_security.signatures import Sig02
from olpc_security.times import NEVER, seconds_of
from olpc_security.trust import TrustedKeys
from olpc_security.verify import Check, require_signature

from sugar_deploy.errors import UsageError
from sugar_deploy.files import write_atomically

TOLD_EVERY = 1000
_LOCK_ATTEMPTS, _LOCK_SECONDS = 20, 0.1


@dataclass(frozen=True, slots=True)
class Order:
    """Leases to issue: UNTIL is when they end, ASKED how the deployer put it, NOW the time in Unix seconds."""

    laptops: Sequence[Laptop]
    until: str
    asked: str
    now: int
    chains: Mapping[Laptop, Sig02] = field(default_factory=dict)
    """Of the laptops whose leases rest on a delegation."""
    root: PublicKey | None = None
    """The key that delegated, which the laptops trust; without one, they trust the key that signs."""

    def wish(self, laptop: Laptop) -> Wish:
        """The laptop's lease: it ends with its delegation, if that comes first."""
        chain = self.chains.get(laptop)
        ends = chain.expires if chain else NEVER
        is_cut = ends != NEVER and seconds_of(ends) < seconds_of(self.until)
        return Wish(laptop, ends if is_cut else self.until, chain)


def issue(
    key: PrivateKey, order: Order, out: Path, told: Callable[[int], None] = lambda _: None, workers: int | None = None
) -> int:
    """Write OUT, one lease a line in the list's order; gives how many were there from a run that was cut off."""
    draft, note = out.with_name(f".{out.name}.part"), out.with_name(f".{out.name}.json")
    with draft.open("ab") as file:
        _lock(file, out)
        order, is_new = _taken_up(order, key, note)
        ready, size = (0, 0) if is_new else _ready(draft, order, order.root or key.public)
        file.truncate(size)
        wishes = (order.wish(laptop) for laptop in islice(order.laptops, ready, None))
        for count, lease in enumerate(issue_leases(key, wishes, order.now, workers), start=ready + 1):
            file.write(lease.line.encode("ascii"))
            if count % TOLD_EVERY == 0 or count == len(order.laptops):
                file.flush()
                told(count)
        file.flush()
        os.fsync(file.fileno())
        draft.replace(out)
        note.unlink()
    return ready


def read_records(file: Path) -> list[Timed | RtcReset]:
    """The leases, developer keys or clock resets of a file of lines; raises UsageError with the place of a fault."""
    found: list[Timed | RtcReset] = []
    for number, line in enumerate(file.read_bytes().decode("latin-1").removesuffix("\n").split("\n"), start=1):
        try:
            record = records.parse(line)
        except Refusal as refusal:
            raise UsageError(f"{file}: {refusal.on_line(number)}", "Name a file of `sugar-deploy lease`") from None
        if not isinstance(record, (Timed, RtcReset)):
            raise UsageError(f"{file}, line {number}: it is no lease", "Name a file of `sugar-deploy lease`")
        found.append(record)
    return found


def _lock(file: IO[bytes], out: Path) -> None:
    # The workers of a run that was killed share its lock until they have noticed.
    for attempt in range(_LOCK_ATTEMPTS):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(_LOCK_SECONDS if attempt < _LOCK_ATTEMPTS - 1 else 0)
    raise UsageError(f"another process is writing {out}", "Wait for it, or name another file")


def _taken_up(order: Order, key: PrivateKey, note: Path) -> tuple[Order, bool]:
    """The order, with the expiry of the run that it carries on, and whether it is a new one.

    Raises UsageError where the run that was cut off was for something else.
    """
    listed = hashlib.sha256()
    for laptop in order.laptops:
        chain = order.chains.get(laptop)
        listed.update(f"{laptop.serial},{laptop.uuid},{chain.text if chain else ''}\n".encode())
    own = {"asked": order.asked, "key": key.public.keyid.hex(), "laptops": listed.hexdigest()}
    if note.exists():
        former = json.loads(note.read_text("utf-8"))
        if {name: former.get(name) for name in own} != own:
            raise UsageError(
                f"{note.parent} holds another run that was cut off: {former.get('asked')}",
                f"Finish that one, or remove {note}",
            )
        until = str(former["until"])
        if seconds_of(until) > order.now:
            return replace(order, until=until), False
    write_atomically(note, json.dumps(own | {"until": order.until}) + "\n")
    return order, True


def _ready(draft: Path, order: Order, root: PublicKey) -> tuple[int, int]:
    """How many leases of the draft, from its beginning, are whole and good: power may have failed meanwhile.

    And how many bytes they are.
    """
    trusted = TrustedKeys((root,))
    size = 0
    with draft.open("rb") as file:
        for count, laptop in enumerate(order.laptops):
            raw = file.readline(records.LINE_BYTES)
            if not _is_good(raw, laptop, order.wish(laptop).expires, Check(trusted, order.now, laptop.serial)):
                return count, size
            size += len(raw)
    return len(order.laptops), size


def _is_good(raw: bytes, laptop: Laptop, until: str, check: Check) -> bool:
    head = f"{records.LEASE} {laptop.serial} {records.LEASE_DISPOSITION} {until} "
    line = raw.decode("latin-1")
    if not (line.startswith(head) and line.endswith("\n")):
        return False
    try:
        text = timed_text(laptop, records.LEASE_DISPOSITION, until)
        require_signature(Fields(line[len(head) : -1], len(head) + 1), text, check)
    except Refusal:
        return False
    return True
