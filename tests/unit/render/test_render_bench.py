"""The benchmark still runs, and ten thousand schools stay within the bounds that the design has to keep."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass

from tests.bench.render import measure

LINE = re.compile(r"(.+?) +([\d,]+) +[\d.]+ s +([\d.]+) s +(\d+) MiB")
MOST_MEBIBYTES = 300_000_000 / 2**20
MOST_DESCRIBED, MOST_LISTED = 6.5, 3.5
"""Yardsticks of processor time: 5.0 and 1.8 were measured."""
YARDSTICK = """
import json
rows = [{"name": f"school-{n}", "lan": {"address": f"10.{n % 250}.0.1/16"}} for n in range(20_000)]
for _ in range(8):
    assert json.loads(json.dumps(rows, indent=1)) == rows
"""
"""Work of the same kind, so that a slow machine, or one whose core others use as well, is no fault of ours."""


@dataclass(frozen=True)
class Cost:
    """What a command took."""

    processor_seconds: float
    mebibytes: float


def costs(schools: int) -> dict[str, Cost]:
    """Run the benchmark; each command's cost."""
    argv = [sys.executable, "-m", "tests.bench.render", "--schools", str(schools), "--runs", "1"]
    # In memory: ten thousand files on a disk cost the kernel what others do with that disk.
    done = subprocess.run(argv, capture_output=True, text=True, env={**os.environ, "TMPDIR": "/dev/shm"})
    assert done.returncode == 0, done.stderr
    found = [LINE.match(line) for line in done.stdout.splitlines()[1:]]
    assert all(found), done.stdout
    assert {line[2] for line in found if line} == {f"{schools:,}"}
    return {line[1]: Cost(float(line[3]), float(line[4])) for line in found if line}


def within_bounds(found: dict[str, Cost], yardstick: float) -> bool:
    """Check and render together, and Ansible for one host, take no longer than they did, and 300 MB.

    Of the processor's time: what else the machine does meanwhile prolongs the elapsed time only.
    """
    described = found["check"].processor_seconds + found["render"].processor_seconds
    listed = found["ansible-inventory --host"].processor_seconds
    small = all(cost.mebibytes < MOST_MEBIBYTES for cost in found.values())
    return small and described < MOST_DESCRIBED * yardstick and listed < MOST_LISTED * yardstick


def test_prints_a_line_for_each_command() -> None:
    assert list(costs(20)) == ["check", "render", "ansible-inventory --host"]


def test_ten_thousand_schools_are_within_the_bounds() -> None:
    # What others do changes from moment to moment: the best of a few runs counts.
    tried: list[tuple[dict[str, Cost], float]] = []
    while len(tried) < 3 and not (tried and within_bounds(*tried[-1])):
        before = measure(sys.executable, "-c", YARDSTICK).processor_seconds
        found = costs(10_000)
        after = measure(sys.executable, "-c", YARDSTICK).processor_seconds
        tried.append((found, (before + after) / 2))
    assert within_bounds(*tried[-1]), tried
