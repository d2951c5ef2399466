# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of activities, by Sugar's rules (sugar3.bundle.bundleversion)."""

from __future__ import annotations

import functools
import re

_GRAMMAR = re.compile(r"((?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*)(?:[-~].[A-Za-z]*)?")
_LONGEST = 200
"""Characters: Python refuses to read numbers of thousands of digits."""


@functools.total_ordering
class Version:
    """A version; the suffix, as in 1.2-peru, does not count when comparing. ValueError if it is none."""

    def __init__(self, text: str) -> None:
        match = _GRAMMAR.fullmatch(text) if len(text) <= _LONGEST else None
        if match is None:
            raise ValueError(f"{text!r} is no version")
        numbers = [int(number) for number in match.group(1).split(".")]
        while len(numbers) > 1 and numbers[-1] == 0:
            numbers.pop()
        self.numbers = tuple(numbers)
        self.text = text

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.numbers == other.numbers

    def __lt__(self, other: Version) -> bool:
        return self.numbers < other.numbers

    def __hash__(self) -> int:
        return hash(self.numbers)

    def __str__(self) -> str:
        return self.text
