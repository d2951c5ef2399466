"""The scripts that tell an XO-1 what to flash: `.onu`, and the one in fs0.zip (cpu/x86/pc/olpc/fsupdate.fth)."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from sugar_deploy.image.nand.checksums import ERASE_BLOCK
from sugar_deploy.image.report import Report

_ERASE_BLOCK_LINE = re.compile(rb"eblock: ([0-9a-fA-F]+) (\S+) ([0-9a-fA-F]{64})")
_OTHERS = re.compile(
    rb"data: +\S+|erase-all|cleanmarkers|partitions:( +[^ ]{1,15} +(-1|[0-9a-fA-F]+)){1,7}"
    rb"|set-partition: \S+|mark-(pending|complete): [0-9a-fA-F]+|"
)


def check_script(name: str, content: bytes, data: Path) -> Report:
    """A script against its data file, block by block in the file's order; NAME is what messages call it."""
    report = Report()
    blocks = 0
    with data.open("rb") as file:
        for number, line in enumerate(content.split(b"\n"), start=1):
            where = f"{name}: line {number}"
            match = _ERASE_BLOCK_LINE.fullmatch(line)
            if match is None:
                if not _OTHERS.fullmatch(line):
                    report.errors.append(f"{where}: {line[:40]!r} is no command that is written into such scripts")
                continue
            block = file.read(ERASE_BLOCK)
            blocks += 1
            if len(block) != ERASE_BLOCK:
                report.errors.append(f"{where}: {data.name} ends before its block {blocks - 1}")
                return report
            if match[2] != b"sha256":
                report.errors.append(f"{where}: the hash is not sha256")
            elif hashlib.sha256(block).digest() != bytes.fromhex(match[3].decode("ascii")):
                report.errors.append(f"{where}: Bad hash of block {blocks - 1} of {data.name}")
        if file.read(1):
            report.warnings.append(f"{name}: {data.name} goes on behind its {blocks} blocks: that is not flashed")
    if not blocks:
        report.errors.append(f"{name}: flashes nothing: has no line `eblock:`")
    return report
