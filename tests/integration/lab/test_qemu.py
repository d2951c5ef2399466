"""A whole machine: Debian's own kernel, its own boot, and a power cut that loses what was not on the disk."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.probe import probe_one
from tests.integration.lab.conftest import MACHINES

pytestmark = pytest.mark.vm


@pytest.fixture(scope="module")
def whole() -> Iterator[Lab]:
    """A server under KVM where that works, else under TCG."""
    backend = "qemu-kvm" if probe_one("qemu-kvm").works else "qemu-tcg"
    with Lab(MACHINES[:1], backend=backend) as made:
        yield made


def test_it_boots_a_kernel_of_its_own_and_survives_a_power_cut(whole: Lab) -> None:
    server = whole.machines["lima"]
    # The kernel that runs is the one on the machine's own disk.
    assert (
        server.run(("sh", "-c", 'test -e /boot/vmlinuz-"$(uname -r)" && uname -r')).stdout.strip().endswith("amd64")
    )
    assert server.run(("systemd-detect-virt",), check=False).stdout.strip() in {"kvm", "qemu"}
    assert "Debian GNU/Linux" in server.console.read_text(errors="replace")

    # The lab's own cable is not among the machine's interfaces; the uplink is as its administrator set it.
    links = server.run(("ip", "-brief", "-4", "address")).stdout.split()
    assert [word for word in links if word.startswith("eth")] == ["eth0"]
    assert "192.0.2.10/24" in links
    greeting = whole.outsider(("bash", "-c", f"head -c 7 < /dev/tcp/192.0.2.10/{server.port}"))
    assert greeting.stdout == "SSH-2.0"

    # Without its uplink the lab still reaches it: by a cable apart, which comes in at the machine's loopback.
    server.run(("ip", "link", "set", "eth0", "down"))
    server.run(("sh", "-c", "echo synced > /root/synced; sync; echo lost > /root/unsynced"))
    boot = server.run(("cat", "/proc/sys/kernel/random/boot_id")).stdout
    server.power_cut()
    server.start()
    assert server.run(("cat", "/proc/sys/kernel/random/boot_id")).stdout != boot
    assert server.run(("cat", "/root/synced")).stdout == "synced\n"
    # ext4 writes a new file's content seconds after the write: the cut came first.
    assert server.run(("cat", "/root/unsynced"), check=False).stdout == ""


def test_a_snapshot_is_restored(whole: Lab) -> None:
    server = whole.machines["lima"]
    server.run(("sh", "-c", "echo before > /root/state"))
    server.stop()
    assert "Power down" in server.console.read_text(errors="replace")
    server.snapshot("before")
    server.start()
    server.run(("sh", "-c", "echo after > /root/state; sync"))
    server.restore("before")
    assert server.run(("cat", "/root/state")).stdout == "before\n"
