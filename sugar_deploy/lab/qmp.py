"""QEMU's monitor (QMP): one JSON line each way; the lab's stick goes in and out by it."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path
from typing import Any

from sugar_deploy.errors import DeployError

STICK_DEVICE = "/dev/disk/by-id/scsi-0QEMU_QEMU_HARDDISK_stick"
"""The stick as udev names it in the guest."""
BUS = ("-device", "virtio-scsi-pci,id=scsi")
"""What sticks are plugged into: Debian's kernel for virtual machines has no USB, and to Linux a stick is a SCSI
disk either way."""
_RELEASE_SECONDS = 20.0


def command(monitor: Path, execute: str, **arguments: Any) -> None:
    """Give QEMU a command; DeployError says why it was refused."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(10)
        connection.connect(str(monitor))
        answers = connection.makefile("rb")
        answers.readline()
        for words in ({"execute": "qmp_capabilities"}, {"execute": execute, "arguments": arguments}):
            connection.sendall(json.dumps(words).encode() + b"\n")
            answer: dict[str, Any] = {"event": ""}
            # Events come in between.
            while "event" in answer:
                answer = json.loads(answers.readline() or b'{"error": {"desc": "it has ended"}}')
            if "error" in answer:
                raise DeployError(f"QEMU: {execute}: {answer['error']['desc']}")


def plug(monitor: Path, file: Path) -> None:
    """A stick with this image appears in the guest."""
    image = {"driver": "file", "filename": str(file)}
    command(monitor, "blockdev-add", **{"driver": "raw", "node-name": "stick", "file": image})
    device = {"driver": "scsi-hd", "id": "stick", "bus": "scsi.0", "drive": "stick", "serial": "stick"}
    command(monitor, "device_add", **device, removable=True)


def pull_out(monitor: Path) -> None:
    """It is gone from the guest, in use or not."""
    command(monitor, "device_del", id="stick")
    until = time.monotonic() + _RELEASE_SECONDS
    while True:
        try:
            command(monitor, "blockdev-del", **{"node-name": "stick"})
        except DeployError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
