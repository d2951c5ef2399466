"""Reads the zip around a bundle: the firmware goes from local header to local header, and never to the directory."""

from __future__ import annotations

import struct
import zlib

from sugar_deploy.image.bundles.kinds import IMAGE, SIGNATURES
from sugar_deploy.image.report import Report

IGNORED = "version.txt"
"""What OLPC's signing station put into fs bundles; the firmware passes over it."""

_LOCAL, _CENTRAL, _END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
_LOCAL_HEADER = struct.Struct("<4s5H3I2H")
_CENTRAL_HEADER = struct.Struct("<4s6H3I5H2I")
_FIRST_WITHIN = 2000
_ENCRYPTED, _SIZES_BEHIND = 1, 8
_ZIP64 = 0xFFFFFFFF


def members(content: bytes, name: str, report: Report) -> dict[str, bytes]:
    """The members that the firmware can read, by name; each rule of its that the zip breaks goes to the report."""
    found: dict[str, bytes] = {}
    at = content.find(_LOCAL)
    if not 0 <= at < _FIRST_WITHIN:
        report.errors.append(f"{name}: no member begins within the first {_FIRST_WITHIN} bytes")
        return found
    while content[at : at + 4] == _LOCAL:
        member, data, following = _member(content, at, name, report)
        if member in found:
            report.errors.append(f"{name}: {member}: is there twice")
        if data is not None:
            found.setdefault(member, data)
        if following is None:
            return found
        at = following
    _check_directory(content, at, name, report)
    _check_names(list(found), name, report)
    return found


def _member(content: bytes, at: int, name: str, report: Report) -> tuple[str, bytes | None, int | None]:
    """A member's name, its bytes if they can be read, and where the next header is if that can be told."""
    if len(content) < at + _LOCAL_HEADER.size:
        report.errors.append(f"{name}: ends within a member's header")
        return "", None, None
    _, _, flags, method, _, _, crc, stored, size, name_bytes, extra = _LOCAL_HEADER.unpack_from(content, at)
    start = at + _LOCAL_HEADER.size + name_bytes + extra
    member = content[at + _LOCAL_HEADER.size :][:name_bytes].decode("latin-1")
    where = f"{name}: {member}"
    faults = []
    if flags & _ENCRYPTED:
        faults.append(f"{where}: is encrypted")
    if method:
        faults.append(f"{where}: is compressed (method {method}): the firmware takes the bytes as they are, store it")
    elif stored != size:
        faults.append(f"{where}: has two sizes, {stored} and {size}")
    report.errors += faults
    if flags & _SIZES_BEHIND:
        report.errors.append(f"{where}: its size is not in its local header but behind it (a data descriptor)")
        return member, None, None
    if _ZIP64 in (stored, size):
        report.errors.append(f"{where}: is zip64")
        return member, None, None
    data = content[start : start + stored]
    if len(data) != stored:
        report.errors.append(f"{where}: the file ends within it")
        return member, None, None
    if not faults and zlib.crc32(data) != crc:
        report.warnings.append(f"{where}: its CRC-32 is not that of its bytes; the firmware does not look at it")
    return member, None if faults else data, start + stored


def _check_directory(content: bytes, at: int, name: str, report: Report) -> None:
    if content[at : at + 4] != _CENTRAL:
        report.errors.append(f"{name}: the central directory does not follow the last member directly, at byte {at}")
        return
    while content[at : at + 4] == _CENTRAL and len(content) >= at + _CENTRAL_HEADER.size:
        name_bytes, extra, comment = _CENTRAL_HEADER.unpack_from(content, at)[10:13]
        member = content[at + _CENTRAL_HEADER.size :][:name_bytes].decode("latin-1")
        if comment:
            report.errors.append(f"{name}: {member}: has a comment")
        at += _CENTRAL_HEADER.size + name_bytes + extra + comment
    if content[at : at + 4] != _END:
        report.errors.append(f"{name}: the central directory does not end as it should: zip64, or cut off")


def _check_names(names: list[str], name: str, report: Report) -> None:
    for member in names:
        plain = member.replace("\\", "/").rpartition("/")[2].lower()
        if member in (IMAGE, SIGNATURES, IGNORED):
            continue
        if plain in (IMAGE, SIGNATURES):
            report.errors.append(f"{name}: {member}: the firmware looks for {plain}, in small letters and no folder")
        else:
            report.warnings.append(f"{name}: {member}: is not read")
