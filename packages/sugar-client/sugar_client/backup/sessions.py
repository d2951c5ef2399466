# SPDX-License-Identifier: GPL-3.0-or-later
"""Who uses the child's Journal just now: Sugar's shell, its activities, and the service that keeps the Journal."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sugar_client.profile import profile_of

_SECONDS = 20
_SHELL, _SERVICE = "jarabe.main", "datastore-service"


@dataclass(frozen=True)
class _Process:
    number: int
    words: list[str]
    """The beginning of its command line."""
    variables: dict[str, str]


def runs(profile: Path) -> bool:
    """Whether Sugar's shell or an activity runs on the child's profile, whatever bus it is on."""
    # Sugar tells each activity its bundle's id.
    return any(_SHELL in one.words or "SUGAR_BUNDLE_ID" in one.variables for one in _processes(profile))


def end_service(profile: Path) -> bool:
    """Ends Sugar's datastore service, which outlives Sugar where the user's bus does; False if it does not end.

    On Debian the bus is the user's, and goes on while the user is logged in anywhere. Told to end, the service
    writes down what it has to.
    """
    for one in _services(profile):
        try:
            os.kill(one.number, signal.SIGTERM)
        except ProcessLookupError:
            continue
    until = time.monotonic() + _SECONDS
    while _services(profile):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def _services(profile: Path) -> list[_Process]:
    return [one for one in _processes(profile) if any(Path(word).name == _SERVICE for word in one.words)]


def _processes(profile: Path) -> Iterator[_Process]:
    """The user's processes to which this is the profile."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if folder.stat().st_uid != os.getuid():
                continue
            words = os.fsdecode((folder / "cmdline").read_bytes()).split("\0")[:3]
            pairs = (each.partition("=") for each in os.fsdecode((folder / "environ").read_bytes()).split("\0"))
        except OSError:  # it has ended
            continue
        variables = {name: value for name, _, value in pairs}
        if profile_of(variables).resolve() == profile.resolve():
            yield _Process(int(folder.name), words, variables)
