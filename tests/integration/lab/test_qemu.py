"""A whole machine: Debian's own kernel, its own boot, and a power cut that loses what was not on the disk.

And a disk that is removable to its kernel: `image flash` writes it, and finds out when it is pulled out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import rich

import sugar_deploy
from sugar_deploy.image.media.write import write_image
from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.probe import probe_one
from sugar_deploy.lab.qmp import STICK_DEVICE
from sugar_deploy.lab.stick import Stick
from tests.integration.lab.conftest import MACHINES

LEASE = Path(__file__).parents[2] / "unit" / "olpc_security" / "vectors" / "lease" / "lease-v1.sig"
MIB = 2**20
TOOL = ("env", "PYTHONPATH=/root/tool", "python3", "-S")
# Writes as `image flash` does, but waits in the middle until the stick is gone.
INTERRUPTED = """
import sys, time
from pathlib import Path
from sugar_deploy.errors import DeployError
from sugar_deploy.image.flash import copying, devices, source

path = Path(sys.argv[1])
device = devices.look(path)

def wait(step, done, total):
    if done == 4 * 2**20:
        print("half", flush=True)
        until = time.monotonic() + 60
        while Path("/sys/dev/block", device.number).exists() and time.monotonic() < until:
            time.sleep(0.05)

try:
    copying.flash(source.read_source(Path("/root/stick.img")), device, lambda: devices.look(path), wait)
except DeployError as error:
    print(error)
"""

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


@pytest.fixture(scope="module")
def equipped(whole: Lab, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The machine has the tool and a stick's image of some 7 MiB, which is given here."""
    folder = tmp_path_factory.mktemp("equipped")
    for package in (click, rich, sugar_deploy):
        source = Path(str(package.__file__)).parent
        shutil.copytree(source, folder / "all" / "tool" / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "more.bin").write_bytes(os.urandom(6 * MIB))
    write_image({"security/lease.sig": LEASE, "more.bin": folder / "more.bin"}, folder / "all" / "stick.img")
    carrier, server = Stick.make(folder / "carrier", size_mib=256), whole.machines["lima"]
    carrier.mounted(folder / "mounted", ("cp", "-r", f"{folder}/all/.", f"{folder}/mounted"))
    server.plug(carrier)
    server.run(("sh", "-c", "cp -r /media/stick/* /root"))
    server.unplug()
    return folder / "all" / "stick.img"


def test_a_stick_is_written_on_its_word_only(whole: Lab, equipped: Path, tmp_path: Path) -> None:
    server, stick = whole.machines["lima"], Stick.make(tmp_path / "stick", size_mib=256)

    def flash(*words: str) -> tuple[int, dict[str, object]]:
        argv = (*TOOL, "-m", "sugar_deploy", "image", "flash", "/root/stick.img", STICK_DEVICE, "--json", *words)
        done = server.run(argv, check=False)
        return done.returncode, json.loads(done.stdout)

    name = "QEMU QEMU HARDDISK 268.4 MB"
    server.plug(stick)
    status, said = flash("--yes", name)
    assert (status, "it is mounted at /media/stick" in str(said["error"])) == (2, True), said
    server.run(("umount", "/media/stick"))
    status, said = flash()
    assert (status, said["remedy"]) == (2, f"If this is the one: --yes '{name}'"), said
    assert server.run(("blkid", "-o", "value", "-s", "LABEL", STICK_DEVICE)).stdout == "STICK\n", "nothing was lost"

    status, said = flash("--yes", name)
    assert (status, said.get("verified"), said.get("device_bytes")) == (0, True, 256 * MIB), said
    # The kernel sees the stick's new partition, and the files on it can be had.
    server.run(("udevadm", "settle"))
    assert server.run(("lsblk", "-no", "TYPE", STICK_DEVICE)).stdout.split() == ["disk", "part"]
    server.yank()
    with stick.file.open("rb") as medium, equipped.open("rb") as image:
        written = int(str(said["written_bytes"]))
        assert written > 6 * MIB
        assert medium.read(written) == image.read(written)


def test_a_stick_that_is_pulled_out_meanwhile_starts_nothing(whole: Lab, equipped: Path, tmp_path: Path) -> None:
    server, stick = whole.machines["lima"], Stick.make(tmp_path / "stick", size_mib=256)
    server.plug(stick)
    server.run(("umount", "/media/stick"))
    server.run(("sh", "-c", "cat > /root/interrupted.py"), input=INTERRUPTED)
    argv = (*server.ssh_argv(), "--", *TOOL, "/root/interrupted.py", STICK_DEVICE)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True) as writing:
        assert writing.stdout is not None
        assert writing.stdout.readline() == "half\n"
        server.yank()
        said = writing.stdout.read()
    assert "was pulled out, writing at 4.0 MiB" in said, said
    assert "Plug it in again, and run the same command" in said, said
    with stick.file.open("rb") as medium:
        assert medium.read(4096) == bytes(4096)
    assert server.run(("true",), check=False).returncode == 0
