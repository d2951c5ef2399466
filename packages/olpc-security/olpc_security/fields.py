# SPDX-License-Identifier: GPL-3.0-or-later
"""A line cut at its single spaces, each field with its column; hexadecimal fields."""

from __future__ import annotations

import re
from copy import copy
from typing import NamedTuple

from olpc_security.rules import Refusal, Rule

# The firmware takes capitals too. No tool writes them, and refusing them leaves one form, and no bit to change in it.
_HEX = re.compile(r"(?:[0-9a-f]{2})+")


class Field(NamedTuple):
    """A field and its column, from 1."""

    text: str
    column: int


class Fields:
    """The fields of a line, taken one after the other."""

    def __init__(self, line: str, column: int = 1) -> None:
        self._fields = []
        for text in line.split(" "):
            self._fields.append(Field(text, column))
            column += len(text) + 1
        self._next = 0

    def __bool__(self) -> bool:
        return self._next < len(self._fields)

    @property
    def column(self) -> int:
        """Where the next field begins, or would."""
        if self:
            return self._fields[self._next].column
        last = self._fields[-1]
        return last.column + len(last.text)

    def take(self, what: str) -> Field:
        """The next field; raises Refusal if there is none, or two spaces instead of one."""
        if not self:
            raise Refusal(Rule.FIELDS, f"it has no {what}", column=self.column)
        field = self._fields[self._next]
        if not field.text:
            raise Refusal(Rule.ONE_SPACE, f"a space too many where the {what} should begin", column=field.column)
        self._next += 1
        return field

    def copy(self) -> Fields:
        """The same fields, to be read ahead."""
        return copy(self)

    def peek(self, ahead: int) -> Field:
        """The field AHEAD of the next one (0), or an empty one."""
        place = self._next + ahead
        return self._fields[place] if place < len(self._fields) else Field("", self.column)

    def end(self) -> None:
        """Raise Refusal if there is anything left."""
        if self:
            field = self._fields[self._next]
            rule, what = (Rule.FIELDS, repr(field.text[:20])) if field.text else (Rule.ONE_SPACE, "a space")
            raise Refusal(rule, f"{what} stands behind the last field", column=field.column)


def read_hex(text: str, column: int, *sizes: int) -> bytes:
    """The bytes of a hexadecimal field, of one of these SIZES; raises Refusal."""
    if not _HEX.fullmatch(text):
        bad = next((at for at, letter in enumerate(text) if letter not in "0123456789abcdef"), len(text))
        raise Refusal(Rule.HEX, "it is no hexadecimal in lower case", column=column + bad)
    value = bytes.fromhex(text)
    if value and len(value) not in sizes:
        wanted = " or ".join(str(2 * size) for size in sizes)
        raise Refusal(Rule.HEX, f"it has {len(text)} digits, not {wanted}", column=column)
    return value
