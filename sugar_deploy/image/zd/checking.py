"""Every rule of the firmware's that a `.zd` or a `.zsp` breaks, with block numbers."""

from __future__ import annotations

import copy
import hashlib
from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from sugar_deploy.files import sha256_of, unchanged
from sugar_deploy.image.parallel import in_order
from sugar_deploy.image.report import Report
from sugar_deploy.image.zd.reading import BrokenImage, Chunk, chunks, commands, expanded, header
from sugar_deploy.image.zd.rules import LAST, SIGNED_LINE_LIMIT, SIGNED_SPEC_LIMIT, USUAL_BLOCK, Header

_Unchanged = tuple[int, int, int, int]
"""A file as long as nobody has written to it."""


class Sound(set[bytes]):
    """Fingerprints of blocks that were inflated and hashed before: the same bytes need not be once more.

    Many of an empty file system are the same; a stick has its image's blocks, an image most of the one before it.
    Whole files that nobody has written to since need not even be read once more.
    """

    def __init__(self) -> None:
        super().__init__()
        self._reports: dict[tuple[str, _Unchanged], Report] = {}
        self._hashes: dict[_Unchanged, str] = {}

    def report(self, path: Path) -> Report | None:
        """What `check_image` found in a file before, if it was that, under the same name."""
        return copy.deepcopy(self._reports.get((path.name, unchanged(path))))

    def remember(self, path: Path, report: Report) -> None:
        """This is what was found in it."""
        self._reports[path.name, unchanged(path)] = copy.deepcopy(report)

    def sha256(self, path: Path) -> str:
        """A file's hash; it is read for that once."""
        key = unchanged(path)
        if key not in self._hashes:
            self._hashes[key] = sha256_of(path)
        return self._hashes[key]

    def learn(self, path: Path) -> None:
        """Add the blocks of a `.zd` that was checked, and is what it was then; raises BrokenImage, OSError."""
        with path.open("rb") as file:
            size = header(file, path.name).block_size
            self.update(in_order(lambda chunk: _fingerprint(chunk, size), chunks(file, path.name)))


def _fingerprint(chunk: Chunk, block_size: int) -> bytes:
    """Of all that makes a block sound or not: its data, what its line says of their content, and the block's size."""
    line = chunk.line
    total = hashlib.sha256(f"{block_size} {line.hash_name} {line.digest.hex()} ".encode())
    total.update(chunk.data)
    return total.digest()


def check_image(path: Path, sound: Sound | None = None) -> Report:
    """Read, inflate and hash every block of a `.zd`, but those that are SOUND, where the others are added."""
    sound = Sound() if sound is None else sound
    if known := sound.report(path):
        return known
    report = Report()
    seen: list[int] = []
    erased_first = False
    try:
        with path.open("rb") as file:
            head = header(file, path.name)
            _check_header(head, path.name, report)
            for block in in_order(_Look(head, path.name, sound), chunks(file, path.name)):
                if not seen:
                    erased_first = block.index == 0 and block.is_empty
                seen.append(block.index)
                report.errors += block.errors
            if file.read(1):
                report.warnings.append(f"{path.name}: what follows `zblocks-end:` is not read")
    except BrokenImage as error:
        report.errors.append(error.message)
        return report
    _check_order(seen, head, path.name, report)
    report.facts = {
        "blocks": len(seen),
        "block size": head.block_size,
        "device bytes": head.count * head.block_size,
        "left out": head.count - len(set(seen)),
        "begins with": "an erased partition table" if erased_first else "data",
    }
    sound.remember(path, report)
    return report


def _check_header(head: Header, name: str, report: Report) -> None:
    if head.block_size != USUAL_BLOCK:
        report.warnings.append(f"{name}: the block size is not {USUAL_BLOCK:#x}, as it always was")


@dataclass(frozen=True, slots=True)
class _Block:
    """What one block turned out to be."""

    index: int
    errors: tuple[str, ...]
    is_empty: bool


class _Look:
    """Inflates and hashes blocks; those that are the same, once."""

    def __init__(self, head: Header, name: str, sound: Sound) -> None:
        self._head, self._name, self._sound = head, name, sound

    def __call__(self, chunk: Chunk) -> _Block:
        index, count = chunk.line.index, self._head.count
        far = (f"{self._name}: block {index}: beyond the header's count of {count}",) if index >= count else ()
        known = _fingerprint(chunk, self._head.block_size)
        if index and known in self._sound:
            return _Block(index, far, is_empty=False)
        try:
            plain = expanded(chunk, self._head.block_size, self._name)
        except BrokenImage as error:
            return _Block(index, (*far, error.message), is_empty=False)
        self._sound.add(known)
        return _Block(index, far, is_empty=index == 0 and not any(plain))


def _check_order(seen: list[int], head: Header, name: str, report: Report) -> None:
    if 0 not in seen:
        report.warnings.append(f"{name}: block 0 is not written: the laptop keeps its old partition table")
    elif seen[-1] != 0:
        report.warnings.append(f"{name}: block 0 is not the last one: an interrupted update leaves a partition table")
    if seen and max(seen) + 1 != head.count:
        report.warnings.append(f"{name}: the highest block is {max(seen):x}, by the header {head.count - 1:x}")
    for number, times in sorted(Counter(seen).items()):
        if number and times > 1:
            report.warnings.append(f"{name}: block {number} is written {times} times: the last one stands")


def check_spec(spec: Path, image: Path) -> Report:
    """A `.zsp` against the `.zd` that it is about: a signed update compares them line by line, as text."""
    return check_lines(spec.name, spec.read_bytes(), image)


def check_lines(spec: str, content: bytes, image: Path) -> Report:
    """The same of a specification's bytes, wherever they came from; SPEC is what messages call it."""
    report = Report()
    lines = content.split(b"\n")
    starts = [number for number, line in enumerate(lines) if line.startswith(b"data:")]
    if len(content) >= SIGNED_SPEC_LIMIT:
        report.errors.append(f"{spec}: is not under {SIGNED_SPEC_LIMIT >> 20} MiB: the firmware has no room for it")
    report.errors += [
        f"{spec}: line {number}: Spec line too long ({len(line)} characters)"
        for number, line in enumerate(lines, start=1)
        if len(line) >= SIGNED_LINE_LIMIT
    ]
    if not starts:
        report.errors.append(f"{spec}: has no line `data: NAME`")
        return report
    where = f"{spec}: line {starts[0] + 1}"
    if lines[starts[0]].endswith(b"\r"):
        report.errors.append(f"{where}: ends in CR")
    named = data_name(content)
    if named.lower() != image.name.lower():
        report.errors.append(f"{where}: names {named}, the data file is {image.name}")
    try:
        _compare(lines[starts[0] + 1 :], starts[0] + 2, spec, image, report)
    except BrokenImage as error:
        report.errors.append(error.message)
    return report


def data_name(content: bytes) -> str:
    """The data file that a specification names; empty where it names none."""
    words = next((line.split()[1:] for line in content.split(b"\n") if line.startswith(b"data:")), [])
    return words[-1].decode("ascii", "replace") if words else ""


def _compare(lines: list[bytes], first: int, spec: str, image: Path, report: Report) -> None:
    with image.open("rb") as file:
        header(file, image.name)
        file.seek(0)
        data = [file.readline()]
        data += [line for line, _ in commands(file, image.name, before=0)]
    data.append(LAST)
    said = [line + b"\n" for line in lines if line]
    for number, (mine, theirs) in enumerate(zip_longest(said, data), start=first):
        if mine != theirs:
            report.errors.append(f"{spec}: line {number}: Spec line mismatch with {image.name}")
            return
