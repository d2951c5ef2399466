"""Kernels, ROMs, scripts and bundles that tests make, by Python's own means or as documented."""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO, cast

from olpc_security.bundles import sign_firmware, sign_image
from olpc_security.keys import PrivateKey

VECTORS = Path(__file__).parent / "vectors"
SIGNED = Path(__file__).parents[1] / "olpc_security" / "vectors"
KEYS = {name: SIGNED / "keys" / f"{name}.public" for name in ("os", "fs", "fw")}
X86 = bytes(0x202) + b"HdrS" + bytes(600)
ARM = bytes(0x24) + b"\x18\x28\x6f\x01" + bytes(600)
OLD_TREE = b"070701 case $bootpath in\n\t\t/sd@d4280000/disk@1:*)"
SCRIPT = b"\\ a Forth script\n"
# ROM length, and offsets of version, CRC and manufacturing data, as documented for each model.
ROMS = {
    0: (0x100000, 0xFFFC0, 0xFFFD0, b"CL1   Q2F20  Q2F", 0xE0000),
    1: (0x100000, 0xFFFC0, 0xFFFD4, b"CL1   Q3C17  Q3C", 0xE0000),
    2: (0x100000, 0xFFFC0, 0xFFFD8, b"CL2   Q4D38  Q4D", 0xE0000),
    4: (0x200000, 0x1EFFC0, 0x1EFFD0, b"CL4   Q7C06  Q7C", 0x1F0000),
}


def private(name: str) -> PrivateKey:
    return PrivateKey.from_der((SIGNED / "keys" / f"{name}.private").read_bytes())


def rom(number: int, release: bytes = b"", holds: bytes = b"") -> bytes:
    """A ROM image whose CRC is computed bit by bit: polynomial 0xedb88320, begun at 0, not inverted."""
    size, version_at, crc_at, version, data_at = ROMS[number]
    if release:
        version = version[:6] + release.ljust(7) + release[:3]
    image = bytearray(b"\x90" * 64 + bytes(size - 64))
    image[0x1000 : 0x1000 + len(holds)] = holds
    image[data_at : data_at + 0x10000] = b"\xff" * 0x10000
    image[version_at : version_at + 16] = version
    image[crc_at : crc_at + 4] = b"\xff" * 4
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (0xEDB88320 if value & 1 else 0)
        table.append(value)
    crc = 0
    for byte in image:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    image[crc_at : crc_at + 4] = struct.pack("<I", crc)
    return bytes(image)


def zipped(members: dict[str, bytes], **settings: int) -> bytes:
    """A zip by Python's own means."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", **settings) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def piped(members: dict[str, bytes]) -> bytes:
    """A zip written to what cannot be gone back in, so that sizes come behind the data."""
    out = io.BytesIO()
    pipe = SimpleNamespace(write=out.write, flush=out.flush)
    with zipfile.ZipFile(cast("BinaryIO", pipe), "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def good() -> dict[str, bytes]:
    return {"data.sig": sign_image(X86, [private("os")]), "data.img": X86}


def line(key: str, image: bytes = X86, hash_name: str = "sha256") -> bytes:
    whole = sign_firmware(image, [private(key)]).splitlines(keepends=True)
    return whole[("sha256", "rmd160").index(hash_name)]


def script(image: bytes) -> bytes:
    """fs0's, as documented for an unpartitioned image."""
    blocks = [image[at : at + 0x20000] for at in range(0, len(image), 0x20000)]
    lines = [f"eblock: {number:x} sha256 {hashlib.sha256(block).hexdigest()}" for number, block in enumerate(blocks)]
    lines = ["data:  os1.img", "erase-all", "mark-pending: 0", *lines, "cleanmarkers", "mark-complete: 0", ""]
    return "\n".join(lines).encode()
