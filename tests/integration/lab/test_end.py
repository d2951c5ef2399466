"""Nothing is left of a lab, however its owner ends."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.lab import cgroups, control, garbage
from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.places import LabPlace
from tests.integration.lab.conftest import MACHINES

pytestmark = pytest.mark.vm

OWNER = """
import sys, time
from sugar_deploy.lab.lab import Lab
from tests.integration.lab.conftest import MACHINES
with Lab(MACHINES[:1], identity=sys.argv[1]) as lab:
    print(lab.machines["lima"].port, flush=True)
    time.sleep(600)
"""


@pytest.fixture
def identity() -> str:
    """A name that no other process of this machine mentions by chance: `traces` looks for it everywhere."""
    return f"end-{secrets.token_hex(4)}"


def start_owner(identity: str) -> tuple[subprocess.Popen[str], int]:
    """Another process with a lab of its own, and its machine's port."""
    owner = subprocess.Popen((sys.executable, "-c", OWNER, identity), stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    return owner, int(owner.stdout.readline())


def traces(identity: str) -> dict[str, object]:
    """All that one can see of a lab on this machine."""
    place = LabPlace.of(identity)
    groups = cgroups.host_root()
    processes = []
    for status in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = status.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if identity in line and status.parent.name != str(os.getpid()):
            processes.append(line)
    mounts = [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if identity in line]
    found = {
        "processes": processes,
        "mounts": mounts,
        "folders": [str(path) for path in (place.root, place.disks) if path.exists()],
        "group": str(groups) if groups and (groups / f"{cgroups.PREFIX}{identity}").exists() else "",
    }
    return {name: value for name, value in found.items() if value}


def network_namespaces() -> set[str]:
    """Those that some process is in."""
    found = set()
    for link in Path("/proc").glob("[0-9]*/ns/net"):
        try:
            found.add(str(link.readlink()))
        except OSError:
            continue
    return found


def eventually(condition: Callable[[], bool], seconds: float = 20) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


def lab_namespaces(identity: str) -> set[str]:
    """The network namespaces of a living lab's processes, found below its supervisor."""
    holder = control.peer(LabPlace.of(identity).control)
    assert holder is not None
    inside = Path(f"/proc/{holder}/ns/pid").readlink()
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if (process / "ns" / "pid").readlink() == inside or inside_of(process, holder):
                found.add(str((process / "ns" / "net").readlink()))
        except OSError:
            continue
    return found - {str(Path("/proc/self/ns/net").readlink())}


def inside_of(process: Path, holder: int) -> bool:
    """Whether HOLDER is an ancestor."""
    parent = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    return parent == holder or (parent > 1 and inside_of(process.parent / str(parent), holder))


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM])
def test_nothing_is_left_when_the_owner_is_killed(how: signal.Signals, identity: str) -> None:
    owner, _port = start_owner(identity)
    assert set(traces(identity)) == {"processes", "folders", "group"}
    namespaces = lab_namespaces(identity)
    assert namespaces, "the machine has a network namespace of its own"
    owner.send_signal(how)
    owner.wait(30)
    assert eventually(lambda: not traces(identity)), traces(identity)
    assert eventually(lambda: not namespaces & network_namespaces())


def test_interrupting_the_owner_clears_away(identity: str) -> None:
    owner, _port = start_owner(identity)
    owner.send_signal(signal.SIGINT)
    owner.wait(30)
    assert traces(identity) == {}


def test_what_a_killed_supervisor_leaves_goes_with_the_next_start(identity: str) -> None:
    owner, _port = start_owner(identity)
    holder = control.peer(LabPlace.of(identity).control)
    assert holder is not None
    namespaces = lab_namespaces(identity)
    os.kill(holder, signal.SIGKILL)
    owner.kill()
    owner.wait(30)
    assert eventually(lambda: "processes" not in traces(identity)), traces(identity)
    assert not namespaces & network_namespaces()
    assert "folders" in traces(identity)
    assert identity in garbage.collect()
    assert traces(identity) == {}


def test_a_lab_that_was_left_running_ends_when_told(identity: str) -> None:
    lab = Lab(MACHINES[:1], identity=identity)
    lab.up(owned=False)
    again = Lab.attach(identity)
    assert again.machines["lima"].run(("hostname",)).stdout == "lima\n"
    again.down()
    assert traces(identity) == {}
    with pytest.raises(DeployError, match=f"no lab {identity}"):
        Lab.attach(identity)


def test_a_lab_survives_the_clearing_of_others(identity: str) -> None:
    with Lab(MACHINES[:1], identity=identity) as lab:
        assert identity not in garbage.collect()
        assert lab.machines["lima"].run(("hostname",)).stdout == "lima\n"


def test_a_machine_that_cannot_start_leaves_nothing(monkeypatch: pytest.MonkeyPatch, identity: str) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr("sugar_deploy.lab.lab.obtain", lambda *_: pytest.fail("not reached"))
    with pytest.raises(DeployError, match="not installed"):
        Lab(MACHINES[:1], identity=identity).up()
    assert traces(identity) == {}
