# SPDX-License-Identifier: GPL-3.0-or-later
"""The samples that wait for the school server: JSON lines, of which the first tells up to when days are collected."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_client.files import write
from sugar_client.statistics.sample import Sample, from_object, is_kept

_MOST_BYTES = 32 * 1024 * 1024


@dataclass(frozen=True)
class Queue:
    """What waits, in the order of days, and the end of the last day that was collected."""

    samples: tuple[Sample, ...] = ()
    collected_until: int | None = None
    is_unwanted: bool = False
    """Whether the school server said, when it was last asked, that it wants none."""

    @classmethod
    def read(cls, path: Path, now: float) -> Queue:
        """What is in the file and still of use; lines that are damaged are left out."""
        try:
            with path.open("rb") as file:
                lines = file.read(_MOST_BYTES).decode("utf-8", "replace").splitlines()
        except FileNotFoundError:
            return cls()
        values = [_value(line) for line in lines]
        first = values[0] if values and isinstance(values[0], dict) else {}
        until = first.get("collected_until")
        samples = [sample for sample in map(from_object, values) if sample is not None and is_kept(sample.at, now)]
        # From a clock that was ahead: it would keep all days until then from being collected.
        until = until if type(until) is int and until <= now else None
        return cls(tuple(samples), until, first.get("unwanted") is True)

    def plus(self, more: Iterable[Sample], collected_until: int) -> Queue:
        """With these as well; what is known of a day stays as it was first collected."""
        known = {(sample.name, sample.at): sample for sample in (*more, *self.samples)}
        return Queue(tuple(known[key] for key in sorted(known, key=lambda key: (key[1], key[0]))), collected_until)

    def without(self, name: str) -> Queue:
        """Without the samples of one database."""
        return Queue(tuple(sample for sample in self.samples if sample.name != name), self.collected_until)

    def write(self, path: Path) -> None:
        """Replace the file: it is there whole or not at all, and only its owner may read it."""
        lines: list[dict[str, Any]] = [{"collected_until": self.collected_until, "unwanted": self.is_unwanted}]
        lines += [{"name": sample.name, "at": sample.at, "fields": sample.fields} for sample in self.samples]
        path.parent.mkdir(mode=0o700, exist_ok=True)
        write(path, "".join(json.dumps(line) + "\n" for line in lines))


def _value(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
