"""The commands that the lab runs."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.lab import network, nspawn, qemu
from sugar_deploy.lab.backend import Seat
from sugar_deploy.lab.launch import supervisor_argv
from sugar_deploy.lab.machine import Machine
from sugar_deploy.lab.outside import discover_message
from sugar_deploy.lab.places import LabPlace
from sugar_deploy.lab.probe import last_line, panic_line
from sugar_deploy.lab.process import execute
from sugar_deploy.lab.spec import LabSpec, MachineSpec, Nic

SERVER = MachineSpec("lima", "server", "lima", (Nic("eth0", "uplink", "192.0.2.10/24"), Nic("eth1", "lan0")))
PLACE = LabPlace(Path("/run/lab/lab-1"), Path("/cache/lab-1"))
SEAT = Seat(PLACE, LabSpec("lab-1", "bookworm", "nspawn", "/image/root", (SERVER,)), SERVER)


def pairs(argv: tuple[str, ...], option: str) -> list[str]:
    return [after for word, after in pairwise(argv) if word == option]


def test_a_container_is_cut_off_from_the_host() -> None:
    argv = nspawn.argv(SEAT, Path("/root"))
    assert "--network-namespace-path=/run/netns/m-lima" in argv
    assert {"--resolv-conf=off", "--link-journal=no", "--settings=no", "--register=no", "--boot"} <= set(argv)
    assert not any(word.startswith(("--bind", "--capability=all")) for word in argv)


def test_qemu_has_a_cable_for_each_nic_and_the_labs_own() -> None:
    argv = qemu.argv(SEAT, "tcg", (7, 8, 9))
    assert pairs(argv, "-netdev") == ["tap,id=n0,fd=7", "tap,id=n1,fd=8", "tap,id=n2,fd=9"]
    assert pairs(argv, "-accel") == ["tcg,thread=multi"]
    assert not any("user" in value for value in pairs(argv, "-netdev")), "no way to the host's network"


def test_every_interface_has_an_address_of_its_own() -> None:
    addresses = {qemu.mac(machine, nic) for machine in range(40) for nic in range(3)}
    assert len(addresses) == 120


def test_ports_fit_into_a_kernel_name() -> None:
    assert len(network.port(39, 2)) <= 15


def test_the_outsider_is_on_the_uplink_only() -> None:
    argvs = network.switch_argvs(SEAT.spec)
    outsiders = [argv for argv in argvs if "outsider" in argv and "master" in argv]
    assert [argv[argv.index("master") + 1] for argv in outsiders] == ["uplink"]


def test_ssh_checks_the_host_key() -> None:
    argv = Machine(PLACE, SERVER, 40001, 60).ssh_argv()
    assert "StrictHostKeyChecking=yes" in argv
    assert "UserKnownHostsFile=/run/lab/lab-1/known_hosts" in argv


def test_a_supervisor_ends_with_what_started_it() -> None:
    argv = supervisor_argv("lab-1", None, ["http://near.example/debian"])
    assert argv[: argv.index("--mount-proc") + 1] == (
        *("unshare", "--pid", "--fork", "--kill-child=SIGKILL", "--mount", "--mount-proc"),
    )


def test_a_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(DeployError) as error:
        execute(("mkfs.ext4",))
    assert str(error.value).startswith("mkfs.ext4 is not installed. Install it: sudo apt install e2fsprogs")


def test_a_failing_program_shows_a_line_to_paste() -> None:
    with pytest.raises(DeployError, match=r"`sh -c 'echo why >&2; exit 3'` failed: why"):
        execute(("sh", "-c", "echo why >&2; exit 3"))


def test_a_program_that_hangs_is_an_error() -> None:
    with pytest.raises(DeployError, match="took more than 0 seconds"):
        execute(("sleep", "5"), timeout_seconds=0.05)


def test_a_console_is_told_in_one_line() -> None:
    assert last_line("\x1bc\x1b[?7lSeaBIOS\r\nProbing EDD (edd=off to disable)... \r\n\r\n") == (
        "Probing EDD (edd=off to disable)..."
    )
    assert last_line("") == "nothing on its console"
    assert panic_line("a\r\nKernel panic - not syncing: x\r\nCall trace") == "Kernel panic - not syncing: x"


def test_a_dhcpdiscover_is_as_rfc_2131_has_it() -> None:
    message = discover_message(b"\x02\0\0\0\0\x01", b"abcd")
    assert len(message) == 240 + 4
    assert message[:4] == b"\x01\x01\x06\x00"
    assert message[4:8] == b"abcd"
    assert message[28:34] == b"\x02\0\0\0\0\x01"
    assert message[236:240] == b"\x63\x82\x53\x63"
