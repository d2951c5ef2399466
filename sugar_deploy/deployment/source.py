"""A file of the deployment as text, or what keeps it from being read."""

from __future__ import annotations

import codecs
import io
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import Problem

MAX_BYTES = 16 * 1024 * 1024
"""Larger than any real deployment's file: 10,000 schools are about 2 MB."""
MAX_REPORTED = 20
"""Of one kind in one file: more of the same would bury the rest."""

_OTHER_ENCODINGS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
# Joiners and direction marks stay allowed: names in Persian, Nepali or Arabic need them.
_INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\uffff]")


@dataclass(frozen=True, slots=True)
class Source:
    """The text of a file and the name by which problems call it."""

    name: str
    text: str


class UnreadableError(Exception):
    """A file that is not there or cannot be read at all."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


def read_source(path: Path, name: str, problems: list[Problem], *, bom: bool) -> Source | None:
    """Read a file as UTF-8; None, and the reasons among the problems, if it is not such text.

    `bom` says whether it may begin with a byte order mark, as Excel writes it into CSVs.
    """
    data = _read(path, name)
    if data.startswith(b"PK\x03\x04"):
        problems.append(_whole(name, "is a spreadsheet or another archive, not text", "Save it as CSV (UTF-8)."))
        return None
    if data.startswith(_OTHER_ENCODINGS):
        problems.append(_whole(name, "is UTF-16 or UTF-32", "Save it as UTF-8."))
        return None
    if data.startswith(codecs.BOM_UTF8):
        data = data[len(codecs.BOM_UTF8) :]
        if not bom:
            problems.append(_whole(name, "begins with a byte order mark", "Save it as UTF-8 without BOM."))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        problems.append(_undecodable(name, data, error))
        return None
    found = list(_invisible(name, text))
    problems += found
    return None if found else Source(name, text)


def _read(path: Path, name: str) -> bytes:
    try:
        # Opened without waiting: a named pipe would wait for its writer for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            kind = os.fstat(descriptor).st_mode
            with open(descriptor, "rb", closefd=False) if stat.S_ISREG(kind) else io.BytesIO() as file:
                data = file.read(MAX_BYTES + 1)
        finally:
            os.close(descriptor)
    except FileNotFoundError:
        raise UnreadableError("does not exist", "Write it, or correct its name.") from None
    except PermissionError:
        raise UnreadableError("may not be read", f"Give yourself the right: chmod u+r {name}.") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableError(f"cannot be read: {reason}", "Correct its name.") from None
    if not stat.S_ISREG(kind):
        what = "a directory" if stat.S_ISDIR(kind) else "not a regular file"
        raise UnreadableError(f"is {what}", "Put the file itself there.")
    if len(data) > MAX_BYTES:
        limit = MAX_BYTES // 1024 // 1024
        raise UnreadableError(f"is larger than {limit} MB", "Check that it is the right file.")
    return data


def _whole(name: str, message: str, remedy: str) -> Problem:
    return Problem(name, 1, 1, "file", message, remedy)


def _undecodable(name: str, data: bytes, error: UnicodeDecodeError) -> Problem:
    before = data[: error.start].decode("utf-8", "replace")
    line, column = _place(before, len(before))
    byte = data[error.start]
    seen = bytes([byte]).decode("latin-1")
    guess = f', which is "{seen}" in Latin-1' if seen.isprintable() else ""
    message = f"is not UTF-8: byte 0x{byte:02X}{guess}"
    return Problem(name, line, column, "file", message, "Save it as UTF-8.")


def _invisible(name: str, text: str) -> Iterator[Problem]:
    for count, match in enumerate(_INVISIBLE.finditer(text)):
        if count == MAX_REPORTED:
            return
        line, column = _place(text, match.start())
        code = f"U+{ord(match.group()):04X}"
        what = "a NUL byte" if match.group() == "\0" else f"an invisible character, {code}"
        yield Problem(name, line, column, "file", f"holds {what}", "Delete it.")


def _place(text: str, offset: int) -> tuple[int, int]:
    before = text[:offset].replace("\r\n", "\n").replace("\r", "\n")
    return before.count("\n") + 1, len(before) - before.rfind("\n")
