"""A machine that has no network, and what is brought to it on a stick."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.machine import Machine
from sugar_deploy.lab.seclusion import prove_secluded
from sugar_deploy.lab.spec import Nic
from sugar_deploy.lab.stick import Stick
from tests.integration.lab.conftest import MACHINES

pytestmark = pytest.mark.vm

SECLUDED = replace(MACHINES[0], nics=(Nic("eth0", "unplugged0"), Nic("eth1", "lan0")), offline=True)


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab((SECLUDED, MACHINES[1])) as made:
        yield made


@pytest.fixture
def server(lab: Lab) -> Machine:
    return lab.machines["lima"]


@pytest.fixture
def stick(tmp_path: Path) -> Stick:
    made = Stick.make(tmp_path / "stick", size_mib=64)
    done = made.mounted(
        tmp_path / "at", ("sh", "-c", 'head -c 3000000 /dev/urandom > "$0/file"', str(tmp_path / "at"))
    )
    assert done.returncode == 0, done.stderr
    return made


def test_there_is_no_way_out(server: Machine) -> None:
    tried = prove_secluded(server)
    assert len(tried) == 6
    assert not [each for each in tried if not each.shut]
    assert "unreachable" in tried[1].seen


def test_the_proof_finds_a_way_out_where_there_is_one(server: Machine) -> None:
    server.run(("ip", "address", "add", "192.0.2.10/24", "dev", "eth1"))
    server.run(("ip", "link", "set", "eth1", "up"))
    server.run(("ip", "route", "add", "default", "via", "192.0.2.1"))
    try:
        open_ways = [each for each in prove_secluded(server) if not each.shut]
        assert open_ways[0].seen.startswith("default via 192.0.2.1")
    finally:
        server.run(("ip", "address", "flush", "dev", "eth1"))


def test_the_laptop_on_the_lan_is_all_there_is(lab: Lab, server: Machine) -> None:
    laptop = lab.machines["lima-laptop"]
    for machine, nic, address in ((server, "eth1", "172.18.0.1/24"), (laptop, "eth0", "172.18.0.9/24")):
        machine.run(("ip", "address", "replace", address, "dev", nic))
        machine.run(("ip", "link", "set", nic, "up"))
    assert laptop.run(("bash", "-c", f"head -c 7 < /dev/tcp/172.18.0.1/{server.port}")).stdout == "SSH-2.0"
    # The laptop gets its packages by the lab, and passes nothing on.
    proxy = server.run(("bash", "-c", "timeout 3 bash -c ': > /dev/tcp/172.18.0.9/3142'"), check=False)
    assert proxy.returncode != 0


def test_what_is_written_to_a_stick_is_read_in_the_machine_and_the_other_way(
    server: Machine, stick: Stick, tmp_path: Path
) -> None:
    server.plug(stick)
    assert server.run(("stat", "-c", "%s", "/media/stick/file")).stdout == "3000000\n"
    server.run(("sh", "-c", "echo back > /media/stick/answer"))
    with pytest.raises(DeployError, match="plugged in already"):
        server.plug(stick)
    server.unplug()
    assert server.run(("ls", "/media/stick")).stdout == ""
    read = stick.mounted(tmp_path / "at", ("cat", str(tmp_path / "at/answer")))
    assert (read.returncode, read.stdout) == (0, "back\n")


def test_a_read_only_stick_is_not_written_to(server: Machine, stick: Stick) -> None:
    server.plug(stick, read_only=True)
    done = server.run(("touch", "/media/stick/new"), check=False)
    server.unplug()
    assert "Read-only file system" in done.stderr


def test_a_stick_that_is_pulled_out_gives_errors_and_is_whole_when_it_is_back(
    server: Machine, stick: Stick, tmp_path: Path
) -> None:
    expected = stick.mounted(tmp_path / "at", ("sha256sum", str(tmp_path / "at/file"))).stdout.split()[0]
    server.plug(stick, read_only=True)
    with_it_open = (
        "exec 3< /media/stick/file; touch /run/opened; while [ -e /run/opened ]; do sleep .1; done; cat <&3"
    )
    server.run(("systemd-run", "--quiet", "--unit=reads", "--remain-after-exit", "sh", "-c", with_it_open))
    server.run(("sh", "-c", "until [ -e /run/opened ]; do sleep .1; done"), timeout_seconds=30)
    server.yank()
    failed = server.run(("sha256sum", "/media/stick/file"), check=False)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert "Input/output error" in failed.stderr
    server.plug(stick, read_only=True)
    assert server.run(("sha256sum", "/media/stick/file")).stdout.split()[0] == expected
    # What had it open before reads on in vain: that was another stick.
    server.run(("rm", "/run/opened"))
    said = "until journalctl -q -u reads -o cat | grep -m1 'error'; do sleep .2; done"
    assert "Input/output error" in server.run(("sh", "-c", said), timeout_seconds=30).stdout
    server.unplug()


def test_no_stick_cannot_be_unplugged_and_none_goes_into_a_machine_that_is_off(server: Machine, stick: Stick) -> None:
    with pytest.raises(DeployError, match="not mounted"):
        server.unplug()
    with pytest.raises(DeployError, match="No stick"):
        server.yank()
    server.plug(stick)
    server.power_cut()
    with pytest.raises(DeployError, match="switched off"):
        server.plug(stick)
    server.start()
    assert server.run(("ls", "/media/stick")).stdout == ""
    server.plug(stick)
    assert server.run(("ls", "/media/stick/file")).returncode == 0
    server.unplug()
