"""Machines in QEMU: their own kernel, their own boot, a disk whose cache a power cut loses."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal

from sugar_deploy.errors import DeployError
from sugar_deploy.lab import cgroups, network, qmp, relay
from sugar_deploy.lab.backend import Seat, Wire
from sugar_deploy.lab.guest import GuestFile, place
from sugar_deploy.lab.process import execute
from sugar_deploy.lab.spec import APT_PORT, MachineSpec
from sugar_deploy.lab.tap import open_tap

Accelerator = Literal["kvm", "tcg"]

DISK_SIZE = "8G"
"""As the machine sees it; on this machine's disk it takes what is written."""
HOST_ADDRESS = "10.0.2.2"
GUEST_ADDRESS = "10.0.2.15"
_RELAY = "/usr/local/lib/sugar-lab/relay.py"

_SYSTEMS = {
    "x86_64": ("qemu-system-x86_64", ("-machine", "q35"), "ttyS0"),
    "aarch64": ("qemu-system-aarch64", ("-machine", "virt"), "ttyAMA0"),
}


def kernel_packages(architecture: str) -> tuple[str, ...]:
    """Debian's own kernel for virtual machines, and what makes its initrd."""
    if architecture not in {"amd64", "arm64"}:
        raise DeployError(f"The lab runs no QEMU machines of the architecture {architecture}", "Use --backend nspawn")
    return (f"linux-image-cloud-{architecture}", "initramfs-tools", "zstd")


class Qemu:
    """A virtual machine. Its cable to the lab ends in a network namespace of the guest's own.

    So whatever firewall or address is applied to the machine, the lab's SSH reaches it as nspawn's does: from the
    machine's own loopback.
    """

    wire = Wire(ssh_address=GUEST_ADDRESS, apt=f"{HOST_ADDRESS}:{APT_PORT}")

    def __init__(self, accelerator: Accelerator) -> None:
        self.accelerator: Accelerator = accelerator
        self.name = f"qemu-{accelerator}"

    def prepare(self, seat: Seat, files: tuple[GuestFile, ...], ssh_port: int) -> None:
        disk = seat.disk
        own, work, merged = disk / "own", disk / "work", disk / "merged"
        for path in (own, work, merged):
            path.mkdir(parents=True, mode=0o755)
        options = f"lowerdir={seat.image},upperdir={own},workdir={work}"
        execute(("mount", "-t", "overlay", "-o", options, "sugar-deploy-lab", str(merged)))
        try:
            place((*files, *wire_files(seat.machine, ssh_port)), merged)
            for name in ("vmlinuz", "initrd.img"):
                shutil.copyfile(newest_boot_file(merged / "boot", name), disk / name)
            base = str(disk / "base.raw")
            execute(("mkfs.ext4", "-q", "-F", "-L", "root", "-d", str(merged), base, DISK_SIZE))
        finally:
            execute(("umount", str(merged)))
            for path in (own, work, merged):
                shutil.rmtree(path)
        backing = ("-b", base, "-F", "raw")
        execute(("qemu-img", "create", "-q", "-f", "qcow2", *backing, str(disk / "disk.qcow2")))

    def start(self, seat: Seat) -> subprocess.Popen[bytes]:
        name = seat.machine.name
        network.run_all(network.fresh_namespace_argvs(name))
        own = network.namespace(name)
        taps = [
            open_tap(network.port(seat.number, index), _netns(network.SWITCH))
            for index, _ in enumerate(seat.machine.nics)
        ]
        taps.append(open_tap("wire", _netns(own)))
        try:
            for index, nic in enumerate(seat.machine.nics):
                port = network.port(seat.number, index)
                execute(("ip", "-n", network.SWITCH, "link", "set", port, "master", nic.link, "up"))
            execute(("ip", "-n", own, "address", "add", f"{HOST_ADDRESS}/24", "dev", "wire"))
            execute(("ip", "-n", own, "link", "set", "wire", "up"))
            words = argv(seat, self.accelerator, taps)
            group = cgroups.group(seat.spec.identity, name)
            with seat.place.console(name).open("ab") as console:
                return subprocess.Popen(
                    (
                        "sh",
                        "-c",
                        'echo $$ > "$0"/cgroup.procs && exec "$@"',
                        str(group),
                        *_without_network(own),
                        *words,
                    ),
                    stdin=subprocess.DEVNULL,
                    stdout=console,
                    stderr=console,
                    start_new_session=True,
                    pass_fds=taps,
                )
        finally:
            for tap in taps:
                os.close(tap)

    def power_off(self, seat: Seat, process: subprocess.Popen[bytes]) -> None:
        with suppress(OSError, DeployError):
            qmp.command(seat.disk / "monitor", "system_powerdown")

    def kill(self, seat: Seat, process: subprocess.Popen[bytes] | None) -> None:
        cgroups.kill(cgroups.group(seat.spec.identity, seat.machine.name))
        if process is not None:
            process.kill()
            process.wait(20)
        if Path(_netns(network.namespace(seat.machine.name))).exists():
            execute(("ip", "netns", "delete", network.namespace(seat.machine.name)))

    def plug(self, seat: Seat, file: Path, mode: str) -> str:
        qmp.plug(seat.disk / "monitor", file)
        return qmp.STICK_DEVICE

    def unplug(self, seat: Seat) -> None:
        qmp.pull_out(seat.disk / "monitor")

    def yank(self, seat: Seat) -> None:
        qmp.pull_out(seat.disk / "monitor")

    def save(self, seat: Seat, label: str) -> None:
        (seat.disk / "snapshots").mkdir(exist_ok=True)
        _copy(seat.disk / "disk.qcow2", seat.disk / "snapshots" / f"{label}.qcow2", label)

    def restore(self, seat: Seat, label: str) -> None:
        _copy(seat.disk / "snapshots" / f"{label}.qcow2", seat.disk / "disk.qcow2", label)


def argv(seat: Seat, accelerator: Accelerator, taps: Sequence[int]) -> tuple[str, ...]:
    """The command that runs it; TAPS are the descriptors of its cables, the lab's own the last. Pure."""
    program, machine, console = system()
    cables: list[str] = []
    for index, tap in enumerate(taps):
        cables += ["-netdev", f"tap,id=n{index},fd={tap}"]
        cables += ["-device", f"virtio-net-pci,netdev=n{index},mac={mac(seat.number, index)},romfile="]
    return (
        program,
        *machine,
        *("-accel", "kvm" if accelerator == "kvm" else "tcg,thread=multi"),
        *("-cpu", "host" if accelerator == "kvm" else "max"),
        *("-smp", str(min(2, os.cpu_count() or 1)), "-m", str(seat.machine.memory_mib)),
        *("-nodefaults", "-no-user-config", "-display", "none"),
        *("-kernel", str(seat.disk / "vmlinuz"), "-initrd", str(seat.disk / "initrd.img")),
        *("-append", f"root=/dev/vda rw console={console} net.ifnames=0 panic=-1"),
        *("-drive", f"file={seat.disk / 'disk.qcow2'},format=qcow2,if=none,id=root,discard=unmap"),
        *("-device", "virtio-blk-pci,drive=root"),
        *qmp.BUS,
        *("-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng"),
        *("-serial", "stdio", "-qmp", f"unix:{seat.disk / 'monitor'},server=on,wait=off"),
        *cables,
    )


def system() -> tuple[str, tuple[str, ...], str]:
    """QEMU's program for this machine's architecture, its kind of machine and the console's name."""
    try:
        return _SYSTEMS[platform.machine()]
    except KeyError:
        raise DeployError(f"The lab runs no QEMU machines on {platform.machine()}", "Use --backend nspawn") from None


def mac(machine: int, nic: int) -> str:
    """A locally administered address, one of its own for each interface of the lab."""
    return f"52:54:00:00:{machine:02x}:{nic:02x}"


def wire_files(machine: MachineSpec, ssh_port: int) -> tuple[GuestFile, ...]:
    """In the guest: the lab's cable, in a namespace apart, joined to the machine's loopback by the relay."""
    nic, space = f"eth{len(machine.nics)}", "/run/netns/lab-wire"
    pairs = f"{space}:tcp:{GUEST_ADDRESS}:{ssh_port} :tcp:127.0.0.1:{ssh_port}"
    if not machine.offline:
        pairs += f" :tcp:127.0.0.1:{APT_PORT} {space}:tcp:{HOST_ADDRESS}:{APT_PORT}"
    unit = f"""[Unit]
Description=The lab's own cable to this machine
DefaultDependencies=no
After=systemd-modules-load.service local-fs.target
Before=network-pre.target

[Service]
ExecStartPre=-/usr/bin/ip netns add lab-wire
ExecStartPre=-/usr/bin/ip link set {nic} netns lab-wire
ExecStartPre=/usr/bin/ip -n lab-wire address replace {GUEST_ADDRESS}/24 dev {nic}
ExecStartPre=/usr/bin/ip -n lab-wire link set {nic} up
ExecStart=/usr/bin/python3 -I {_RELAY} {pairs}
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""
    return (
        GuestFile(_RELAY.lstrip("/"), Path(relay.__file__).read_text(encoding="utf-8")),
        GuestFile("etc/systemd/system/lab-wire.service", unit),
        GuestFile(
            "etc/systemd/system/multi-user.target.wants/lab-wire.service",
            link="/etc/systemd/system/lab-wire.service",
        ),
        GuestFile("etc/fstab", "/dev/vda / ext4 errors=remount-ro 0 1\n"),
    )


def newest_boot_file(boot: Path, name: str) -> Path:
    """The newest kernel, or initrd, by the NAME it goes by before its version."""
    found = sorted(boot.glob(f"{name}-*"), key=lambda file: file.stat().st_mtime)
    if not found:
        raise DeployError(f"The image has no /boot/{name}", "Let it be built again: sugar-deploy lab down --all")
    return found[-1]


def _netns(name: str) -> str:
    return f"/run/netns/{name}"


def _without_network(name: str) -> tuple[str, ...]:
    """QEMU itself needs no network: it is given its cables."""
    return ("nsenter", f"--net={_netns(name)}", "--")


def _copy(source: Path, target: Path, label: str) -> None:
    if not source.exists():
        raise DeployError(f"There is no snapshot {label}", "Take one first")
    fresh = target.with_name(f".{target.name}.new")
    execute(("cp", "--reflink=auto", "--sparse=always", str(source), str(fresh)))
    fresh.rename(target)
