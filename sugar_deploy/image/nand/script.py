"""The scripts that tell an XO-1 what to flash: `.onu`, and the one in fs0.zip (cpu/x86/pc/olpc/fsupdate.fth)."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import BinaryIO

from sugar_deploy.image.nand.checksums import ERASE_BLOCK
from sugar_deploy.image.nand.flashing import Chip, Order
from sugar_deploy.image.report import Report

_LINES = {
    "data": re.compile(rb"data: +(\S+)"),
    "erase": re.compile(rb"erase-all"),
    "partitions": re.compile(rb"partitions:((?: +\S+ +(?:-1|[0-9a-fA-F]+))+)"),
    "select": re.compile(rb"set-partition: (\S+)"),
    "pending": re.compile(rb"mark-pending: ([0-9a-fA-F]+)"),
    "block": re.compile(rb"eblock: ([0-9a-fA-F]+) (\S+) ([0-9a-fA-F]{64})"),
    "clean": re.compile(rb"cleanmarkers"),
    "complete": re.compile(rb"mark-complete: ([0-9a-fA-F]+)"),
}
"""The commands; of what else Forth would do, nothing is written into such scripts."""


def check_script(name: str, content: bytes, data: Path) -> Report:
    """A script against its data file, block by block in the file's order; NAME is what messages call it."""
    report = Report()
    chip = Chip(data.name)
    with data.open("rb") as file:
        for number, line in enumerate(content.split(b"\n"), start=1):
            try:
                _carry_out(line, chip, file, report, f"{name}: line {number}")
            except Order as error:
                report.errors.append(f"{name}: line {number}: {error}")
                return report
        if file.read(1):
            report.warnings.append(
                f"{name}: {data.name} goes on behind its {chip.blocks} blocks: that is not flashed"
            )
    try:
        chip.end(report)
    except Order as error:
        report.errors.append(f"{name}: {error}")
    return report


def _carry_out(line: bytes, chip: Chip, file: BinaryIO, report: Report, where: str) -> None:
    if not line:
        return
    command, match = _command(line)
    if command != "block":
        getattr(chip, command)(*(group.decode("ascii", "replace") for group in match.groups()))
        return
    number = chip.blocks
    block = file.read(ERASE_BLOCK)
    if len(block) != ERASE_BLOCK:
        raise Order(f"{chip.data_file} ends before its block {number}")
    if warning := chip.block(int(match[1], 16), block):
        report.warnings.append(f"{where}: {warning}")
    if fault := _digest_fault(match[2], match[3], block, f"block {number} of {chip.data_file}"):
        report.errors.append(f"{where}: {fault}")


def _command(line: bytes) -> tuple[str, re.Match[bytes]]:
    for command, pattern in _LINES.items():
        if match := pattern.fullmatch(line):
            return command, match
    raise Order(f"{line[:40]!r} is no command that is written into such scripts")


def _digest_fault(kind: bytes, digest: bytes, block: bytes, which: str) -> str:
    if kind != b"sha256":
        return "the hash is not sha256"
    if hashlib.sha256(block).digest() != bytes.fromhex(digest.decode("ascii")):
        return f"Bad hash of {which}"
    return ""
