# SPDX-License-Identifier: GPL-3.0-or-later
"""What a laptop uploads: a database's name and samples, in the form of sugar-stats.

    {"name": "activity.org.laptop.Write", "values": [[1769900000, {"uptime": 1200, "instances": 2}], …]}

The timestamps, of seconds since 1970, ascend. What a sample measures is its fields' names' business.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import Any

MAXIMUM_BODY = 1024 * 1024
_MOST_SAMPLES = 10_000
_MOST_FIELDS = 50
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,120}")
_FIELD = re.compile(r"[A-Za-z0-9_.:+~ -]{1,80}")
_EARLIEST = 1136073600
"""2006: no clock that is right has been before."""
_AHEAD_SECONDS = 2 * 86400


class Malformed(ValueError):
    """The body is no upload; the message says why."""


@dataclass(frozen=True)
class Sample:
    """What was measured until a moment, in seconds since 1970."""

    at: int
    fields: dict[str, float]


@dataclass(frozen=True)
class Upload:
    """Samples of one database, ascending."""

    name: str
    samples: tuple[Sample, ...]


def parse(body: bytes, now: float) -> Upload:
    """The upload in BODY, without samples from a clock that is wrong by years or ahead by days.

    A sample from the future would make its laptop's true ones look old until that day comes.
    """
    try:
        given = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise Malformed("the body is not JSON") from error
    if not isinstance(given, dict) or not _matches(_NAME, given.get("name")):
        raise Malformed("name is not the name of a database")
    values = given.get("values")
    if not isinstance(values, list) or len(values) > _MOST_SAMPLES:
        raise Malformed(f"values is not a list of at most {_MOST_SAMPLES} samples")
    samples = [_sample(value) for value in values]
    if any(later.at <= earlier.at for earlier, later in zip(samples, samples[1:])):
        raise Malformed("the timestamps do not ascend")
    return Upload(given["name"], tuple(each for each in samples if _EARLIEST <= each.at <= now + _AHEAD_SECONDS))


def _sample(value: Any) -> Sample:
    if not isinstance(value, list) or len(value) != 2:
        raise Malformed("a sample is not a timestamp and its fields")
    at, fields = value
    if not _is_number(at) or not isinstance(fields, dict) or len(fields) > _MOST_FIELDS:
        raise Malformed("a sample is not a timestamp and its fields")
    for name, number in fields.items():
        if not _FIELD.fullmatch(name) or not _is_number(number):
            raise Malformed("a field is not a name and a number")
    return Sample(int(at), {name: float(number) for name, number in fields.items()})


def _is_number(value: Any) -> bool:
    # 2**53: beyond, a number of JSON is no longer the number that was written.
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= 2**53


def _matches(pattern: re.Pattern[str], value: Any) -> bool:
    return isinstance(value, str) and pattern.fullmatch(value) is not None
