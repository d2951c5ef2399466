"""A fault before its place is known: the path of its key in the deployment, what is wrong, and the remedy."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

# Looking for a near word takes its time: beyond these nobody would miss it.
_LONGEST_WORD, _MOST_WORDS = 60, 1000

Path = tuple[str | int, ...]
"""Keys and list indices from the deployment's root."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault; `at_key` if the key itself is at fault and not its value."""

    path: Path
    message: str
    remedy: str = ""
    at_key: bool = False


class Reported:
    """Stands for a value whose fault has been reported, so that it is not reported twice."""


REPORTED = Reported()


def dotted(path: Iterable[str | int]) -> str:
    """A path as deployers write it: schools.lima.server.address, languages[0]."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{shortened(part)}" if text else shortened(part)
    return text


def shortened(text: str, length: int = 60) -> str:
    """A text on one line, not longer than `length`."""
    line = json.dumps(text, ensure_ascii=not text.isprintable())[1:-1].replace('\\"', '"')
    return line if len(line) <= length else f"{line[: length - 1]}…"


def quoted(value: Any) -> str:
    """A value as one would write it in the file, shortened."""
    if isinstance(value, str):
        return f'"{shortened(value)}"'
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    return shortened(json.dumps(value, default=str))


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """`Did you mean "…"?`, or nothing if no known word is near."""
    return _nearest(word[:_LONGEST_WORD], tuple(known))


@lru_cache(maxsize=1024)
def _nearest(word: str, known: tuple[str, ...]) -> str:
    if len(known) > _MOST_WORDS:
        return ""
    lowered = {each.lower(): each for each in known}
    for spelling in (word.lower().replace("_", "-"), word.lower()):
        if near := difflib.get_close_matches(spelling, lowered, 1, 0.6):
            return f'Did you mean "{lowered[near[0]]}"?'
    return ""
