"""A peer that serves is a small machine: 256 MB, all services, and a hundred children who spend their day on it."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sugar_deploy.folder import Folder
from sugar_deploy.lab import memory
from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.machine import Machine
from sugar_deploy.lab.session import bring_up
from sugar_deploy.lab.trial import Trial

from .trials import assert_whole

MEMORY_MIB = 256
CHILDREN = 100
UNITS = ("prosody", "sugar-server", "sugar-server-backup", "dnsmasq", "chrony", "ssh")
PHASES = ["enrol", "arrive", "rejoin", "introduce", "idle", "lesson", "reconnect", "leave"]
# Takes twice as much as there is, and offers itself to be ended before any other process.
GREEDY = """
import pathlib
pathlib.Path("/proc/self/oom_score_adj").write_text("1000")
taken = [bytearray(b"x" * (1 << 20)) for _ in range(512)]
"""


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    # A container: how much memory its processes have is held by the kernel, and counted by it.
    chosen = bring_up(scenario="peer-server", suite="trixie", backend="nspawn", memory_mib=MEMORY_MIB)
    yield chosen
    chosen.down()


@pytest.mark.vm
def test_the_scenario_is_applied_within_so_little_memory(lab: Lab) -> None:
    trial = Trial(lab, Folder(lab.place.deployment))
    trial.run()
    assert_whole("peer-server", [step.as_dict() for step in trial.steps])
    (server,) = lab.servers()
    taken = memory.taken(lab.place.identity, server.name)
    assert (taken.limit_mib, taken.kills) == (MEMORY_MIB, 0)
    # Prosody gives back what it does not need any more.
    allocator = "grep -q libjemalloc /proc/$(systemctl show --property MainPID --value prosody)/maps"
    assert server.run(("sh", "-c", allocator), check=False).returncode == 0


@pytest.mark.vm
def test_a_hundred_children_spend_their_day_on_it(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    (server,) = lab.servers()
    before = _services(server)
    with _watched(lab, server) as seen:
        phases = _day(lab, server)
    assert [phase["name"] for phase in phases] == PHASES
    wrong = [phase for phase in phases if not (phase["ok"] and phase["end"] == "exact")]
    assert not wrong, json.dumps(wrong)
    assert len(json.loads(server.run(("sugar-server", "registrations", "--json")).stdout)) >= CHILDREN
    assert memory.taken(lab.place.identity, server.name).kills == 0
    assert _services(server) == before, "a service was started anew"
    assert 0 < max(seen) < MEMORY_MIB
    with capsys.disabled():
        print(f"\n{CHILDREN} children: all processes of the server take {max(seen):.0f} MiB at most")


@pytest.mark.vm
def test_the_machine_really_has_no_more(lab: Lab) -> None:
    (server,) = lab.servers()
    before = memory.taken(lab.place.identity, server.name).kills
    assert server.run(("python3", "-c", GREEDY), check=False).returncode != 0
    assert memory.taken(lab.place.identity, server.name).kills == before + 1


def _day(lab: Lab, server: Machine) -> list[dict[str, Any]]:
    """The phases of a school day, lived through on the laptop's side."""
    name = server.run(("hostname", "-f")).stdout.strip()
    words = ("schoolday", "--server", name, "--count", str(CHILDREN), "--register", "--json")
    times = ("--seconds", "15", "--idle", "2", "--limit", "120")
    done = lab.laptop(server.name).run(("sugaroid", *words, *times), check=False, timeout_seconds=600)
    assert done.stdout, shlex.join(words) + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _services(server: Machine) -> dict[str, str]:
    """The services' first processes."""
    shown = {unit: server.run(("systemctl", "show", "-P", "MainPID", unit)).stdout.strip() for unit in UNITS}
    assert "0" not in shown.values(), shown
    return shown


@contextmanager
def _watched(lab: Lab, server: Machine) -> Iterator[list[float]]:
    """What the server's processes take, looked at again and again, in MiB."""
    seen: list[float] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.25):
            seen.append(memory.taken(lab.place.identity, server.name).processes_mib)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    try:
        yield seen
    finally:
        ended.set()
        watcher.join()
