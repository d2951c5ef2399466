"""What room an installation takes on the server's disks, and whether it is there."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.bundle.install.stick import Full
from sugar_deploy.repository.control import stanzas

MARGIN_BYTES = 256 << 20
"""For package lists, logs, and what the services write meanwhile."""
WHEELS_UNPACK = 5
"""sugar-deploy's wheels take 3.2 times their size once unpacked, and 4.5 times with what Python compiles of them."""


@dataclass(frozen=True, slots=True)
class Need:
    """Bytes that are wanted below a folder, and what for."""

    folder: Path
    size: int
    purpose: str


def unpacked_bytes(index: str, brought: Collection[str], installed: Collection[tuple[str, str]]) -> int:
    """What the packages of a Packages index take once installed. Pure.

    BROUGHT are the paths that are new to the server, INSTALLED names and versions that it has already: neither the
    packages of former sticks nor what the system came with are unpacked again. Raises ValueError, KeyError.
    """
    return sum(
        int(one.get("Installed-Size", 0)) << 10
        for one in stanzas(index)
        if one["Filename"] in brought and (one["Package"], one["Version"]) not in installed
    )


def require_room(needs: Sequence[Need]) -> None:
    """Raise Full for the first disk that has less free than is needed of it."""
    disks: dict[int, list[Need]] = {}
    for need in needs:
        disks.setdefault(_existing(need.folder).stat().st_dev, []).append(need)
    for wanted in disks.values():
        free, size = free_bytes(wanted[0].folder), sum(need.size for need in wanted)
        if free < size:
            parts = ", ".join(f"{_megabytes(need.size)} for {need.purpose}" for need in wanted if need.size)
            raise Full(
                f"this server's disk has {_megabytes(free)} MB free below {wanted[0].folder}, "
                f"and {_megabytes(size)} MB are needed: {parts}",
                "Make room, then run the same command again",
            )


def free_bytes(folder: Path) -> int:
    """What may still be written to the disk on which a folder is, or will be."""
    found = os.statvfs(_existing(folder))
    return found.f_bavail * found.f_frsize


def _existing(folder: Path) -> Path:
    while not folder.is_dir():
        folder = folder.parent
    return folder


def _megabytes(size: int) -> int:
    return -(-size // 1_000_000)
