"""What a bundle's name says: what is in it, for which model, and whose key signs it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum

IMAGE, SIGNATURES = "data.img", "data.sig"
"""A bundle's members."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model's constants: its number in names, and offsets in its firmware's ROM image (bytes)."""

    name: str
    number: int
    is_arm: bool
    rom_bytes: int
    version_at: int
    crc_at: int
    manufacturing_data_at: int
    machine: bytes
    firmware: bytes
    """What the firmware's versions begin with."""


MODELS = (
    Model("XO-1", 0, False, 0x100000, 0xFFFC0, 0xFFFD0, 0xE0000, b"CL1", b"Q2"),
    Model("XO-1.5", 1, False, 0x100000, 0xFFFC0, 0xFFFD4, 0xE0000, b"CL1", b"Q3"),
    Model("XO-1.75", 2, True, 0x100000, 0xFFFC0, 0xFFFD8, 0xE0000, b"CL2", b"Q4"),
    Model("XO-4", 4, True, 0x200000, 0x1EFFC0, 0x1EFFD0, 0x1F0000, b"CL4", b"Q7"),
)


class Content(Enum):
    """What data.img is."""

    KERNEL = "kernel or Forth script"
    RAMDISK = "ramdisk"
    ROM = "firmware"
    SPECIFICATION = "what to flash"
    EC = "firmware of the embedded controller"


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of bundle; KEY is the name of the deployment's key for it, FOLDER where the firmware looks for it."""

    stem: str
    content: Content
    key: str
    folder: str


KINDS = {
    kind.stem: kind
    for kind in (
        Kind("runos", Content.KERNEL, "os", "boot"),
        Kind("runrd", Content.RAMDISK, "os", "boot"),
        Kind("actos", Content.KERNEL, "os", "boot"),
        Kind("actrd", Content.RAMDISK, "os", "boot"),
        Kind("bootfw", Content.ROM, "fw", "boot"),
        Kind("fw", Content.ROM, "fw", "boot"),
        Kind("ecfw", Content.EC, "fw", "boot"),
        Kind("fs", Content.SPECIFICATION, "fs", ""),
    )
}
_NAME = re.compile(rf"({'|'.join(KINDS)})([0-9]?)\.zip", re.IGNORECASE | re.ASCII)


def named(name: str) -> tuple[Kind, tuple[Model, ...]] | None:
    """The kind of a bundle of this name and the models that take it, all if it is plain; None if there is none."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    models = tuple(model for model in MODELS if not match[2] or str(model.number) == match[2])
    return (KINDS[match[1].lower()], models) if models else None
