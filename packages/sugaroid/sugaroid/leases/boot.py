# SPDX-License-Identifier: GPL-3.0-or-later
"""A locked laptop that is switched on: firmware, then the initramfs (dracut-modules-olpc, activate.py).

The firmware starts the system with the lease that is beside it, or else the initramfs that activates: it looks for a
lease on sticks, then asks the network, and keeps what it found where the firmware looks next time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sugaroid.errors import CannotConnect, NotServed
from sugaroid.leases import media
from sugaroid.leases.activation import STOLEN
from sugaroid.leases.keeping import keep
from sugaroid.leases.laptop import Judge

FIRMWARE, INITRAMFS = "security/lease.sig", "lease.sig"


@dataclass(frozen=True)
class Boot:
    """A laptop that starts, and by what: its own storage, a stick, or the network."""

    source: str
    lease: bytes
    sticks: Sequence[str]
    """What the firmware would say of each stick's own copy, if that stick had a system on it."""


@dataclass(frozen=True)
class Locked:
    """A laptop, its internal storage, what is plugged into it, and how it asks the network."""

    judge: Judge
    storage: Path
    sticks: Sequence[Path]
    ask: Callable[[], bytes]

    def boot(self) -> Boot:
        """Start it; raises NotServed where it stays locked, with the reasons in the order in which it met them."""
        told = [self._told(stick) for stick in self.sticks]
        refusals: list[str] = []
        for source, find in (("storage", self._stored), ("stick", self._on_sticks), ("network", self._asked)):
            data = find(refusals)
            if data is None:
                continue
            if source != "storage":
                keep(self.storage / FIRMWARE, data)
            return Boot(source, data, told)
        raise NotServed(f"the laptop stays locked: {'; '.join(refusals)}")

    def _stored(self, refusals: list[str]) -> bytes | None:
        return self._good(media.read(self.storage, FIRMWARE), "its storage", refusals, from_wrapper=False)

    def _on_sticks(self, refusals: list[str]) -> bytes | None:
        for stick in self.sticks:
            if found := self._good(media.read(stick, INITRAMFS), stick.name, refusals):
                return found
        return None

    def _asked(self, refusals: list[str]) -> bytes | None:
        try:
            answer = self.ask()
        except CannotConnect as error:
            refusals.append(str(error))
            return None
        if answer == STOLEN:
            raise NotServed("the laptop stays locked: it is stolen, says the server")
        return self._good(answer or None, "the network", refusals)

    def _good(
        self, data: bytes | None, where: str, refusals: list[str], *, from_wrapper: bool = True
    ) -> bytes | None:
        """The one line of DATA with which it starts."""
        if data is None:
            refusals.append(f"no lease from {where}")
            return None
        try:
            return self.judge.good_lease(data, from_wrapper=from_wrapper)
        except NotServed as refused:
            refusals.append(f"{where}: {refused}")
            return None

    def _told(self, stick: Path) -> str:
        data = media.read(stick, FIRMWARE)
        if data is None:
            return "no lease"
        try:
            self.judge.good_lease(data, from_wrapper=False)
        except NotServed as refused:
            return str(refused)
        return "good"
