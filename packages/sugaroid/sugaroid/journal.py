# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes up a child's Journal: the files of Sugar's datastore, layout 6 (carquinyol/layoutmanager.py).

There is no Xapian index and no mark of a clean end: the datastore makes its index when it starts.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import struct
import time
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SCHOOL_YEAR = 1_772_409_600
"""The first entry's time: 2026-03-02, in seconds since 1970."""
_BETWEEN = (120, 86_400)
"""Seconds from one entry to the next, at least and most."""
_PREVIEW = (160, 120)
_WORDS = ("casa", "perro", "río", "escuela", "luna", "maíz", "amiga", "ñandú", "yaku", "inti", "wasi", "árbol")


@dataclass(frozen=True)
class _Kind:
    """What children do, and how large its files are, in bytes; `text` is compressed well by rsync -z."""

    activity: str
    title: str
    mime_type: str
    smallest: int
    largest: int
    text: bool


_KINDS = (
    _Kind("org.laptop.AbiWordActivity", "Write", "application/vnd.oasis.opendocument.text", 4_000, 60_000, False),
    _Kind("org.laptop.Oficina", "Paint", "image/png", 5_000, 150_000, False),
    _Kind("org.laptop.RecordActivity", "Photo", "image/jpeg", 40_000, 250_000, False),
    _Kind("org.laptop.TurtleArtActivity", "Turtle Art", "application/x-turtle-art", 200, 8_000, True),
    _Kind("org.laptop.Pippy", "Pippy", "text/x-python", 100, 6_000, True),
    _Kind("org.laptop.WebActivity", "Browse", "application/json", 1_000, 30_000, True),
    _Kind("org.laptop.Calculate", "Calculate", "", 0, 0, False),
)
"""The last has metadata only, as an activity's that saves no file."""


def make_journal(folder: Path, entries: int, seed: str) -> list[str]:
    """A Journal of so many entries in a new folder, always the same of a seed; the entries' uids, oldest first."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "version").write_text("6")
    return add_entries(folder, entries, seed)


def add_entries(folder: Path, entries: int, seed: str) -> list[str]:
    """More entries in a Journal; their uids, the oldest first."""
    chance = random.Random(f"journal:{seed}")  # noqa: S311 - made up, and to be made again
    at, uids = _SCHOOL_YEAR, []
    for number in range(entries):
        at += chance.randint(*_BETWEEN)
        # Of each kind one, then by chance: a small Journal has all that a large one has.
        kind = _KINDS[number] if number < len(_KINDS) else chance.choice(_KINDS)
        uids.append(_add_entry(folder, kind, at, chance))
    return uids


def remove_entry(folder: Path, uid: str) -> None:
    """What the datastore does when a child erases an entry."""
    for marker in (folder / "checksums").glob(f"*/{uid}"):
        marker.unlink()
        if not any(marker.parent.iterdir()):
            marker.parent.rmdir()
    shutil.rmtree(folder / uid[:2] / uid)
    if not any((folder / uid[:2]).iterdir()):
        (folder / uid[:2]).rmdir()


def _add_entry(folder: Path, kind: _Kind, at: int, chance: random.Random) -> str:
    uid = str(uuid.UUID(int=chance.getrandbits(128), version=4))
    entry = folder / uid[:2] / uid
    (entry / "metadata").mkdir(parents=True)
    data = _content(kind, chance)
    values = _metadata(kind, uid, at, len(data), chance)
    if data:
        (entry / "data").write_bytes(data)
        checksum = hashlib.md5(data).hexdigest()  # noqa: S324 - the datastore's own
        values["checksum"] = checksum.encode()
        marker = folder / "checksums" / checksum / uid
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    for name, value in values.items():
        (entry / "metadata" / name).write_bytes(value)
    return uid


def _content(kind: _Kind, chance: random.Random) -> bytes:
    size = chance.randint(kind.smallest, kind.largest)
    if not kind.text:
        return chance.getrandbits(size * 8).to_bytes(size, "little") if size else b""
    text = ""
    while len(text) < size:
        text += " ".join(chance.choice(_WORDS) for _ in range(12)) + "\n"
    return text.encode()[:size]


def _metadata(kind: _Kind, uid: str, at: int, size: int, chance: random.Random) -> dict[str, bytes]:
    named = chance.random() < 0.4
    title = " ".join(chance.choice(_WORDS) for _ in range(3)) if named else f"{kind.title} Activity"
    friends = {} if chance.random() < 0.8 else {f"{chance.getrandbits(160):040x}": ["Ñusta", "#FF2B34,#00588C"]}
    spent = [chance.randint(30, 3600) for _ in range(chance.randint(1, 4))]
    launched = [at - 7200 * number for number in range(len(spent), 0, -1)]
    values = {
        "uid": uid,
        "title": title,
        "title_set_by_user": "1" if named else "0",
        "activity": kind.activity,
        "activity_id": f"{chance.getrandbits(160):040x}",
        "mime_type": kind.mime_type,
        "timestamp": str(at),
        "creation_time": str(launched[0]),
        "mtime": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)),
        "filesize": str(size),
        "keep": "1" if chance.random() < 0.1 else "0",
        "icon-color": f"#{chance.randrange(1 << 24):06X},#{chance.randrange(1 << 24):06X}",
        "share-scope": "public" if friends else "private",
        "buddies": json.dumps(friends),
        "tags": chance.choice(_WORDS) if named else "",
        "launch-times": ", ".join(map(str, launched)),
        "spent-times": ", ".join(map(str, spent)),
    }
    return {**{name: text.encode() for name, text in values.items()}, "preview": _preview(chance)}


def _preview(chance: random.Random) -> bytes:
    """A PNG picture of some coloured bars with noise, of a preview's usual 2 to 20 KB."""
    width, height = _PREVIEW
    colours = [bytes(chance.randrange(256) for _ in range(3)) for _ in range(8)]
    noisy = chance.randint(4, height // 3)
    rows = []
    for row in range(height):
        line = colours[row * len(colours) // height] * width
        if row < noisy:
            line = chance.getrandbits(width * 24).to_bytes(width * 3, "little")
        rows.append(b"\0" + line)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks: Sequence[tuple[bytes, bytes]] = (
        (b"IHDR", header),
        (b"IDAT", zlib.compress(b"".join(rows), 6)),
        (b"IEND", b""),
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )
