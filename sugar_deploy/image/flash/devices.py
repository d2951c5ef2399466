"""A disk as lsblk and the kernel describe it: what it is called, how it is connected, and what is on it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_deploy.errors import DeployError, UsageError

_COLUMNS = "NAME,PATH,PKNAME,TYPE,SIZE,RM,RO,TRAN,VENDOR,MODEL,SERIAL,FSTYPE,MOUNTPOINTS,MAJ:MIN,LOG-SEC"
_SYSTEM = Path("/sys")


@dataclass(frozen=True, slots=True)
class Part:
    """A partition, or what holds the disk: a volume, a RAID, an opened LUKS."""

    path: str
    kind: str
    """As lsblk tells it: part, crypt, lvm, raid1 and so on; disk for the disk itself."""
    content: str
    """Its filesystem, or what it is a member of; empty if there is none."""
    mounts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """A block device; sizes in bytes."""

    path: str
    kind: str
    parent: str
    """The disk that a partition belongs to; else empty."""
    number: str
    """Major and minor number, as 8:16."""
    size: int
    sector: int
    title: str
    """Maker and model, as far as it says."""
    serial: str
    transport: str
    card: str
    """Of a slot for cards: SD, or MMC for what is soldered in; else empty."""
    is_removable: bool
    is_read_only: bool
    parts: tuple[Part, ...]
    """The disk itself, its partitions, and whatever holds one of these."""

    @property
    def word(self) -> str:
        """Model and size, as the person has to type them who overwrites it."""
        return f"{self.title} {decimal(self.size)}"


def decimal(size: int) -> str:
    """A size as it stands on a stick: 15.4 GB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def look(path: Path) -> Device:
    """What is at PATH now; raises UsageError where that is no block device."""
    try:
        path = path.resolve(strict=True)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", "Name the stick's device; `lsblk` lists them") from None
    if not path.is_block_device():
        raise UsageError(f"{path} is no block device", "Name the stick's device; `lsblk` lists them")
    argv = ("lsblk", "--json", "--bytes", "--output", _COLUMNS, str(path))
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise DeployError("lsblk is not installed", "Install it: sudo apt install util-linux") from None
    if done.returncode:
        raise DeployError(f"lsblk knows nothing of {path}: {done.stderr.strip()}", "Plug it in again")
    return read(done.stdout)


def read(text: str, system: Path = _SYSTEM) -> Device:
    """The device that lsblk describes, with what SYSTEM, the kernel's /sys, adds of cards."""
    (said,) = json.loads(text)["blockdevices"]
    slot = system / "block" / said["name"] / "device"
    card = _line(slot / "type") if said["name"].startswith("mmcblk") else ""
    words = f"{said['vendor'] or ''} {said['model'] or ''}".split() or [_line(slot / "name") or said["name"]]
    return Device(
        path=said["path"],
        kind=said["type"],
        parent=f"/dev/{said['pkname']}" if said["pkname"] else "",
        number=said["maj:min"],
        size=said["size"] or 0,
        sector=said["log-sec"],
        title=" ".join(words),
        serial=said["serial"] or "",
        transport=said["tran"] or "",
        card=card,
        is_removable=said["rm"],
        is_read_only=said["ro"],
        parts=tuple(_parts(said)),
    )


def _parts(said: dict[str, Any]) -> Iterator[Part]:
    mounts = tuple(mount for mount in said["mountpoints"] if mount)
    yield Part(said["path"], said["type"], said["fstype"] or "", mounts)
    for child in said.get("children", ()):
        yield from _parts(child)


def _line(file: Path) -> str:
    try:
        return file.read_text(errors="replace").strip()
    except OSError:
        return ""
