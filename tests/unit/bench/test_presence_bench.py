"""The presence benchmark's own reckoning: a whole server's processor time, wrong sights, what was not finished."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.bench.presence import __main__ as bench
from tests.bench.presence import measure, plot, report
from tests.bench.presence.server import cost

BURN = "import sys, time\nwhile time.process_time() < {seconds}: pass\n"
FAMILY = f"""
import subprocess, sys
subprocess.run([sys.executable, "-c", {BURN.format(seconds=0.3)!r}])
wait = "print('done', flush=True); sys.stdin.read()"
child = subprocess.Popen([sys.executable, "-c", {BURN.format(seconds=0.4)!r} + wait], stdin=subprocess.PIPE)
sys.stdin.read()
"""
EXACT = {"unseen": 0, "undrawn": 0, "ghosts": 0, "stale": 0}


def _row(contender: str, count: int, seconds: float, **changes: Any) -> dict[str, Any]:
    phase = {"end": "exact", "seconds": 2.0, "cpu_seconds": seconds, "faults": EXACT, "twice": 0, "lost_messages": 0}
    phase |= {"received_bytes": count * (count - 1) * 500, "waits": [0.002, 0.03]}
    phases = {name: dict(phase) for name in measure.PHASES}
    for name, change in changes.items():
        phases[name] |= change
    found = {"suite": "trixie", "contender": contender, "count": count, "registered": count, "limit_seconds": 60.0}
    return {**found, "start_mib": 20.0, "peak_mib": 41.6, "phases": phases}


def test_a_server_costs_what_all_of_its_processes_use() -> None:
    family = subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert family.stdout and family.stdin
    try:
        assert family.stdout.readline() == "done\n"
        used = cost(family.pid)
    finally:
        family.stdin.close()
        family.wait(10)
    # What has ended and been waited for (0.3 s), what still runs (0.4 s, whole ticks of the clock only), and three
    # interpreters that started.
    assert 0.65 < used.cpu_seconds < 1.5
    assert 10 < used.rss_mib <= used.peak_mib


def test_a_server_that_uses_up_its_time_is_not_finished() -> None:
    read, write = os.pipe()
    with os.fdopen(read) as told, os.fdopen(write, "w") as teller:
        busy = subprocess.Popen([sys.executable, "-c", BURN.format(seconds=30)])
        try:
            assert measure._phase(told, busy.pid, 0.2) is None
        finally:
            busy.kill()
            busy.wait()
        teller.write('{"name": "arrive"}\n')
        teller.flush()
        assert measure._phase(told, os.getpid(), 0.0) == {"name": "arrive"}


def test_bots_that_end_early_are_an_error_and_no_result() -> None:
    with Path(os.devnull).open() as nothing, pytest.raises(RuntimeError, match="before the day"):
        measure._phase(nothing, os.getpid(), 1e9)


def test_the_table_compares_with_ours() -> None:
    unfinished = _row("groups", 50, 61.0)
    unfinished["phases"] = {name: unfinished["phases"][name] for name in ("enrol", "arrive")}
    unfinished["phases"]["arrive"] = {"end": "unfinished", "cpu_seconds": 61.0, "faults": {}}
    late = _row(
        *("ejabberd", 50, 3.0),
        lesson={"faults": {**EXACT, "undrawn": 245, "stale": 7}},
        leave={"lost_messages": 2},
        reconnect={"twice": 2450},
    )
    failed = _row("stored", 50, 0.5, lesson={"end": "unfinished", "failure": "the room does not answer"})
    table = report.markdown([_row("ours", 50, 0.5), unfinished, failed, late]).splitlines()

    assert report.markdown([_row("ours", 50, 0.5)]).count("not tried") == 3
    assert table[0] == "### trixie, 50 laptops"
    lines = {
        cells[1].strip(): [cell.strip() for cell in cells[2:-1]] for cells in (row.split("|") for row in table[4:8])
    }
    assert lines["mod_sugar_roster"][:3] == ["0.50 s", "1.0", "204.1"]
    assert lines["mod_sugar_roster"][6:] == [
        *("2 / 30 ms", "0.50 s", "2.0 s", "25.0 %", "20 MiB", "42 MiB", "1,000", "4.0 s", "0", "nobody")
    ]
    assert lines["Prosody, mod_groups"][:4] == ["not within 60 s", "> 122.0", "", ""]
    assert lines["Prosody, mod_groups"][-1] == ""
    assert lines["Prosody, stored rosters"][:8] == [
        *("0.50 s", "1.0", "204.1", "0.50 s", "0.50 s", "failed", "", "0.50 s")
    ]
    assert lines["ejabberd, @online@"][1] == "6.0"
    assert lines["ejabberd, @online@"][-1] == "lesson: 10 % missing, lesson: 7 old items, leave: 2 messages lost"
    assert lines["ejabberd, @online@"][-2] == "2,450"


def test_the_plot_draws_what_was_finished() -> None:
    rows = [_row("ours", count, count * count * 7e-6) for count in (50, 200)]
    rows.append(_row("groups", 50, 1.0))
    rows.append(_row("groups", 200, 61.0, arrive={"end": "unfinished"}))
    drawn = ElementTree.fromstring(plot.svg(rows))

    lines = [line.get("points", "").split() for line in drawn.iter("{http://www.w3.org/2000/svg}polyline")]
    # Cost and memory: ours in two sizes, mod_groups in one.
    assert sorted(map(len, lines)) == [1, 1, 2, 2]
    ours = [tuple(map(float, point.split(","))) for point in lines[0]]
    assert abs(ours[0][1] - ours[1][1]) < 2  # a constant cost for each pair is a level line


def test_results_keep_the_newest_of_each_kind(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    results = bench.Results(file)
    for row in (_row("ours", 50, 9.0), _row("groups", 50, 1.0), _row("ours", 50, 0.5)):
        results.add(row)
    again = bench.Results(file)
    assert [(row["contender"], row["phases"]["arrive"]["cpu_seconds"]) for row in again.rows] == [
        ("groups", 1.0),
        ("ours", 0.5),
    ]


def test_the_table_takes_the_place_of_the_former_one() -> None:
    page = f"before\n{bench.BEGIN}\nold\n{bench.END}\nafter\n"
    assert bench.written(page, "new") == f"before\n{bench.BEGIN}\n\nnew\n{bench.END}\nafter\n"
    with pytest.raises(SystemExit, match="no place"):
        bench.written("before\nafter\n", "new")


def test_what_has_been_measured_is_found_again(tmp_path: Path) -> None:
    row = _row("groups", 50, 1.0)
    bench.Results(tmp_path / "rows").add(row)
    again = bench.Results(tmp_path / "rows")
    assert again.get("trixie", "groups", 50, 50) == row
    assert again.get("trixie", "groups", 50, 1000) is None
    assert again.get("bookworm", "groups", 50, 50) is None
