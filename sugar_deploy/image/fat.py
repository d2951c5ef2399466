"""A USB stick's image with one FAT partition, made without mounting anything, from what its files are to be.

The same files give the same bytes. Laptops take an MBR with an active FAT partition, and see 8.3 names only.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError, UsageError

MIB = 2**20
LARGEST_FILE = 2**32 - 1
SECTOR_BYTES = 512
_START = MIB
"""Where the partition begins: as partitioning tools have it today."""
_NAME = re.compile(r"[a-z0-9_-]{1,8}(\.[a-z0-9_-]{1,3})?")
_FIRST_MOMENT_OF_FAT = "315532800"  # 1 January 1980
_WIDEST = b"\xfe\xff\xff"
"""Cylinder, head and sector where these are not used."""


@dataclass(frozen=True, slots=True)
class Form:
    """A FAT filesystem: BITS of its entries, sectors of a cluster, and its size."""

    bits: int
    cluster_sectors: int
    mib: int


def form_for(sizes: Mapping[str, int]) -> Form:
    """The smallest usual form that holds files of these sizes, and a little more.

    The firmware reads no FAT16 whose table has 256 sectors; this one has 32.
    """
    small = Form(16, 4, 16)
    if _taken(sizes, small) < 15 * MIB:
        return small
    # FAT32 begins at 65525 clusters.
    for cluster, least in ((1, 40), (8, 264)):
        taken = _taken(sizes, Form(32, cluster, 0))
        tables = 2 * 4 * (taken // (cluster * SECTOR_BYTES))
        form = Form(32, cluster, max(least, -(-(taken + tables) // MIB) + 2))
        if form.mib <= 260:
            break
    return form


def write_image(files: Mapping[str, bytes], out: Path, label: str) -> None:
    """Write FILES, by their places, as a stick's image, whole or not at all.

    LABEL is the volume's, of at most 11 capitals. Raises UsageError for what FAT cannot hold.
    """
    _require_possible(files)
    form = form_for({name: len(content) for name, content in files.items()})
    number = hashlib.sha256()
    for name, content in sorted(files.items()):
        number.update(f"{name}\n{len(content)}\n".encode() + content)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as scratch:
        draft = Path(scratch, "image")
        with draft.open("wb") as file:
            file.truncate(_START + form.mib * MIB)
            file.write(_boot_record(form, number.digest()[:4]))
        _format(draft, form, label, number.hexdigest()[:8])
        _fill(draft, files, Path(scratch, "file"))
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(out)


def write_block_map(image: Path) -> Path:
    """Write IMAGE.bmap, by which bmaptool writes only what is used, and proves it; raises DeployError."""
    out = image.with_name(f"{image.name}.bmap")
    draft = image.with_name(f".{image.name}.bmap")
    try:
        _run("bmap-tools", "bmaptool", "-q", "create", str(image), "-o", str(draft))
        draft.replace(out)
    finally:
        draft.unlink(missing_ok=True)
    return out


def _taken(sizes: Mapping[str, int], form: Form) -> int:
    cluster = form.cluster_sectors * SECTOR_BYTES
    folders = {name.rpartition("/")[0] for name in sizes}
    return sum(-(-size // cluster) * cluster for size in sizes.values()) + (len(folders) + 1) * cluster


def _require_possible(files: Mapping[str, bytes]) -> None:
    for name, content in files.items():
        if not all(_NAME.fullmatch(part) for part in name.split("/")):
            raise UsageError(f"{name}: the firmware sees no such name on FAT", "Use 8 and 3 small letters and digits")
        if len(content) > LARGEST_FILE:
            raise UsageError(f"{name}: is over 4 GiB: FAT cannot hold it", "Make several sticks")


def _boot_record(form: Form, number: bytes) -> bytes:
    """An MBR with one active partition of FAT16 or FAT32, addressed by blocks."""
    kind = 0x0E if form.bits == 16 else 0x0C
    start, size = _START // SECTOR_BYTES, form.mib * MIB // SECTOR_BYTES
    entry = struct.pack("<B3sB3sII", 0x80, _WIDEST, kind, _WIDEST, start, size)
    return bytes(440) + number + bytes(2) + entry + bytes(48) + b"\x55\xaa"


def _format(image: Path, form: Form, label: str, number: str) -> None:
    size_kib, start = form.mib * 1024, _START // SECTOR_BYTES
    words = ["-F", form.bits, "-s", form.cluster_sectors, "--invariant", "-i", number, "-n", label]
    words += ["--offset", start, "-h", start, image, size_kib]
    _run("dosfstools", "mkfs.fat", *map(str, words))


def _fill(image: Path, files: Mapping[str, bytes], scratch: Path) -> None:
    target = f"{image}@@{_START}"
    for folder in sorted({name.rpartition("/")[0] for name in files} - {""}):
        _run("mtools", "mmd", "-i", target, f"::/{folder}")
    for name in sorted(files):
        scratch.write_bytes(files[name])
        _run("mtools", "mcopy", "-i", target, str(scratch), f"::/{name}")


def _run(package: str, *argv: str) -> None:
    fixed = {"TZ": "UTC", "SOURCE_DATE_EPOCH": _FIRST_MOMENT_OF_FAT, "MTOOLS_SKIP_CHECK": "1", "LC_ALL": "C.UTF-8"}
    path = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    try:
        done = subprocess.run(argv, env={"PATH": path, **fixed}, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise DeployError(f"there is no {argv[0]} on this machine", f"apt install {package}") from None
    if done.returncode != 0:
        raise DeployError(f"{argv[0]} failed: {done.stderr.strip()[:300]}", "Is there space left on the disk?")
