# SPDX-License-Identifier: GPL-3.0-or-later
"""How many laptops, what they do, and in which time."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from sugaroid.checks.options import Ports
from sugaroid.errors import InvalidInput
from sugaroid.load.plan import SERVICES

MOST_LAPTOPS = 10_000


@dataclass(frozen=True)
class LoadOptions:
    """The wishes of `sugaroid load`."""

    server: str
    laptops: int
    seed: str
    address: str | None = None
    minutes: float = 30.0
    compress: float = 1.0
    """So many seconds of school time pass in one."""
    services: tuple[str, ...] = SERVICES
    at_once: int = 30
    """Transfers of Journals: each is an ssh and two rsync on this machine."""
    folder: Path | None = None
    """Where the Journals are kept, and left; None: in a temporary one."""
    ports: Ports = field(default_factory=Ports)

    def validate(self) -> None:
        """InvalidInput if they cannot be followed, before anything is sent."""
        if not 1 <= self.laptops <= MOST_LAPTOPS:
            raise InvalidInput(f"--laptops is a number of laptops from 1 to {MOST_LAPTOPS}")
        if not 0 < self.minutes <= 24 * 60:
            raise InvalidInput("--minutes is a time of up to a day")
        if not self.compress > 0:
            raise InvalidInput("--compress is a number above 0: 6 makes five minutes of half an hour")
        if not 1 <= self.at_once <= 1000:
            raise InvalidInput("--at-once is a number of transfers from 1 to 1000")
        for name in self.services:
            if name not in SERVICES:
                raise InvalidInput(f"there is no service {name!r}; known are {', '.join(SERVICES)}")
        if not self.services:
            raise InvalidInput("nothing to do; name services with --services")
        for program, package in (("ssh", "openssh-client"), ("rsync", "rsync")):
            if self.transfers and shutil.which(program) is None:
                raise InvalidInput(f"Journals are brought with {program}, which is not here; install {package}")
        if self.folder is not None and self.folder.exists() and any(self.folder.iterdir()):
            raise InvalidInput(f"{self.folder} is not empty; name a new folder for the Journals")

    @property
    def transfers(self) -> bool:
        """Whether Journals travel."""
        return bool({"backup", "restore"} & set(self.services))
