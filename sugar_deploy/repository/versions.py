"""Debian's order of versions, as deb-version(7) describes it."""

from __future__ import annotations

import functools
import re

_PARTS = re.compile(r"(\D*)(\d*)")


def compare(one: str, other: str) -> int:
    """Negative if ONE is earlier than OTHER, 0 if they are the same to dpkg, positive if it is later."""
    first, second = _split(one), _split(other)
    if first[0] != second[0]:
        return first[0] - second[0]
    return _compare_part(first[1], second[1]) or _compare_part(first[2], second[2])


key = functools.cmp_to_key(compare)
"""For sorted() and max()."""


def _split(version: str) -> tuple[int, str, str]:
    """Epoch, upstream version and Debian revision; a missing revision is the same as 0."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, hyphen, revision = rest.rpartition("-")
    number = int(epoch) if epoch.isdigit() else 0
    return (number, upstream, revision) if hyphen else (number, rest, "")


def _compare_part(one: str, other: str) -> int:
    """Text and numbers in turn: text by letters first, `~` before everything, even before the end."""
    pairs = zip(_pieces(one, other), _pieces(other, one), strict=False)
    for (text, number), (other_text, other_number) in pairs:
        if text != other_text:
            ours, theirs = _order(text), _order(other_text)
            if ours != theirs:
                return -1 if ours < theirs else 1
        difference = int(number or 0) - int(other_number or 0)
        if difference:
            return difference
    return 0


def _pieces(text: str, other: str) -> list[tuple[str, str]]:
    """Pairs of text and digits, as many as the longer one of two has."""
    found, others = _PARTS.findall(text), _PARTS.findall(other)
    return found + [("", "")] * (len(others) - len(found))


def _order(text: str) -> list[int]:
    """What sorts as dpkg does: ~, then the end, then letters, then the rest."""
    return [-1 if letter == "~" else ord(letter) + (0 if letter.isalpha() else 256) for letter in text] + [0]
