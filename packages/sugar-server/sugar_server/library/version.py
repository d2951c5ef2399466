# SPDX-License-Identifier: GPL-3.0-or-later
"""Versions of bundles, by Sugar's rules (sugar3.bundle.bundleversion)."""

from __future__ import annotations

import re

_GRAMMAR = re.compile(r"((?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*)(?:[-~].[A-Za-z]*)?")
_LONGEST = 200
"""Characters: Python refuses to read numbers of thousands of digits."""


def order(version: str) -> tuple[int, ...]:
    """What Sugar compares: the numbers, without zeros at the end; 1.2-peru is 1.2. ValueError if it is no version."""
    match = _GRAMMAR.fullmatch(version) if len(version) <= _LONGEST else None
    if match is None:
        raise ValueError(f"{version!r} is no version. Sugar knows 1, 1.2.3 and 1.2.3-peru")
    numbers = [int(number) for number in match.group(1).split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
