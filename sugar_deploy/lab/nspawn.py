"""Machines as systemd-nspawn containers: real systemd on the host's kernel, at near native speed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.lab import cgroups, memory, network, plugged
from sugar_deploy.lab.backend import Seat, Wire
from sugar_deploy.lab.guest import GuestFile, place
from sugar_deploy.lab.process import execute
from sugar_deploy.lab.spec import APT_PORT

# A container may not set the host's clock: chronyd serves time here without steering any clock.
CHRONY = """[Unit]
ConditionCapability=

[Service]
ExecStart=
ExecStart=!/usr/sbin/chronyd $DAEMON_OPTS -x
"""

# Its own network's settings are the machine's own, as forwarding; the rest stays read-only.
ENVIRONMENT = {"SYSTEMD_NSPAWN_API_VFS_WRITABLE": "network"}

_JOIN = 'for group in $0; do echo $$ > "$group"/cgroup.procs || exit; done; exec "$@"'


class Nspawn:
    """A container over an overlay: the image below, read-only, the machine's own changes above."""

    name = "nspawn"
    wire = Wire(ssh_address="127.0.0.1", apt=f"127.0.0.1:{APT_PORT}")

    def prepare(self, seat: Seat, files: tuple[GuestFile, ...], ssh_port: int) -> None:
        upper = seat.disk / "upper"
        upper.mkdir(parents=True, mode=0o755)
        # The modes of folders in the upper layer win over the image's: take those of the image.
        for file in files:
            _like_image(seat.image, upper, Path(file.path).parent)
        place((*files, GuestFile("etc/systemd/system/chrony.service.d/lab.conf", CHRONY)), upper)

    def start(self, seat: Seat) -> subprocess.Popen[bytes]:
        name = seat.machine.name
        root = self._mount(seat)
        network.run_all(network.fresh_namespace_argvs(name))
        for index, nic in enumerate(seat.machine.nics):
            port = network.port(seat.number, index)
            network.run_all(network.plug_argvs(network.namespace(name), nic.name, nic.link, port))
        groups = [str(cgroups.group(seat.spec.identity, name))]
        if seat.machine.held_to_memory:
            groups.append(str(memory.hold(seat.spec.identity, name, seat.machine.memory_mib)))
        with seat.place.console(name).open("ab") as console:
            return subprocess.Popen(
                ("sh", "-c", _JOIN, " ".join(groups), *argv(seat, root)),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
                env={**os.environ, **ENVIRONMENT},
            )

    def power_off(self, seat: Seat, process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGTERM)

    def kill(self, seat: Seat, process: subprocess.Popen[bytes] | None) -> None:
        name = seat.machine.name
        cgroups.kill(cgroups.group(seat.spec.identity, name))
        memory.release(seat.spec.identity, name)
        if process is not None:
            process.kill()
            process.wait(20)
        self._unmount(seat)
        if (Path("/run/netns") / network.namespace(name)).exists():
            for index, _nic in enumerate(seat.machine.nics):
                port = network.port(seat.number, index)
                execute(("ip", "-n", network.SWITCH, "link", "delete", port))
            execute(("ip", "netns", "delete", network.namespace(name)))

    def plug(self, seat: Seat, file: Path, mode: str) -> str:
        plugged.plug(seat.disk / "root", file, mode)
        return ""

    def unplug(self, seat: Seat) -> None:
        plugged.unplug(seat.disk / "root")

    def yank(self, seat: Seat) -> None:
        plugged.yank(seat.disk / "root")

    def save(self, seat: Seat, label: str) -> None:
        copy_tree(seat.disk / "upper", seat.disk / "snapshots" / label)

    def restore(self, seat: Seat, label: str) -> None:
        copy_tree(seat.disk / "snapshots" / label, seat.disk / "upper")

    def _mount(self, seat: Seat) -> Path:
        root, work = seat.disk / "root", seat.disk / "work"
        # An overlay mounted "volatile" refuses to be mounted again until its work folder is fresh.
        shutil.rmtree(work, ignore_errors=True)
        for path in (root, work):
            path.mkdir(mode=0o755, exist_ok=True)
        options = f"lowerdir={seat.image},upperdir={seat.disk / 'upper'},workdir={work},volatile"
        execute(
            ("mount", "-t", "overlay", "-o", options, "sugar-deploy-lab", str(root)),
            remedy="The cache must be on a disk that overlayfs can use: set XDG_CACHE_HOME to a folder on ext4, "
            "xfs or btrfs",
        )
        # What is mounted below it later, as a stick, is mounted in the container as well.
        execute(("mount", "--make-shared", str(root)))
        return root

    def _unmount(self, seat: Seat) -> None:
        root = seat.disk / "root"
        if os.path.ismount(root):
            execute(("umount", "--lazy", str(root)))


def argv(seat: Seat, root: Path) -> tuple[str, ...]:
    """The command that boots it."""
    name = seat.machine.name
    machine = f"{seat.spec.identity}-{name}"[:64]
    return (*boot_argv(root, machine, network.namespace(name)), f"--hostname={name}")


def boot_argv(root: Path, machine: str, namespace: str) -> tuple[str, ...]:
    """The command that boots the system in ROOT as it is, in a network namespace."""
    return (
        "systemd-nspawn",
        f"--directory={root}",
        f"--machine={machine}",
        "--register=no",
        "--keep-unit",
        "--settings=no",
        f"--network-namespace-path=/run/netns/{namespace}",
        "--capability=CAP_NET_ADMIN",
        "--resolv-conf=off",
        "--timezone=off",
        "--link-journal=no",
        "--console=read-only",
        "--boot",
    )


def _like_image(image: Path, upper: Path, folder: Path) -> None:
    for part in (*reversed(folder.parents), folder):
        below, above = image / part, upper / part
        if below.is_symlink():
            raise DeployError(f"/{part} is a symbolic link in the image {image}", "Use the folder it points to")
        if below.is_dir():
            above.mkdir(exist_ok=True)
            shutil.copystat(below, above)


def copy_tree(source: Path, target: Path) -> None:
    """An exact copy in place of TARGET: owners, times, extended attributes, whiteouts."""
    if not source.is_dir():
        raise DeployError(f"There is no snapshot {source.name}", "Take one first")
    fresh = target.with_name(f".{target.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.parent.mkdir(parents=True, exist_ok=True)
    execute(("cp", "--archive", "--reflink=auto", "--no-target-directory", str(source), str(fresh)))
    shutil.rmtree(target, ignore_errors=True)
    fresh.rename(target)
