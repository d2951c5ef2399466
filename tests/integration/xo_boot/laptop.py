"""A locked laptop in QEMU: its manufacturing data, its disk, perhaps a stick, perhaps a cable to its school."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from olpc_security.laptop import Laptop

from sugar_deploy.lab.tap import open_tap

BOOT_SECONDS = 300
"""Some ten on a quiet machine, emulated."""


@dataclass(frozen=True)
class Tags:
    """The manufacturing data, as files that fw_cfg shows."""

    folder: Path

    @classmethod
    def write(cls, folder: Path, laptop: Laptop, key: bytes) -> Tags:
        """Of a locked laptop that trusts KEY for leases."""
        folder.mkdir()
        tags = {"wp": b"", "SN": laptop.serial.encode() + b"\0", "U#": laptop.uuid.encode() + b"\0", "a1": key}
        for name, value in tags.items():
            (folder / name).write_bytes(value)
        return cls(folder)

    def words(self) -> list[str]:
        """For QEMU."""
        words: list[str] = []
        for file in sorted(self.folder.iterdir()):
            words += ["-fw_cfg", f"name=opt/sugar-xo-boot/mfg-data/{file.name},file={file}"]
        return words


@dataclass(frozen=True)
class Computer:
    """What all starts share."""

    kernel: Path
    initrd: Path
    folder: Path

    def own_disk(self, base: Path, name: str) -> Path:
        """A disk with the content of BASE, of this laptop only."""
        disk = self.folder / f"{name}.img"
        subprocess.run(["cp", "--reflink=auto", "--sparse=always", base, disk], check=True)
        return disk

    def start(
        self, disk: Path, tags: Tags, *words: str, stick: Path | None = None, lan: str = "", clock: str = "utc"
    ) -> str:
        """Switched on, until it switches itself off: what was on its console."""
        taps = [open_tap("laptop", f"/run/netns/{lan}")] if lan else []
        console = disk.with_suffix(".console")
        argv = [
            "qemu-system-x86_64",
            "-machine",
            "q35",
            "-accel",
            "tcg,thread=multi",
            "-cpu",
            "max",
            "-smp",
            "2",
            "-m",
            "256",
        ]
        argv += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-rtc", f"base={clock}"]
        argv += ["-kernel", str(self.kernel), "-initrd", str(self.initrd)]
        argv += ["-append", " ".join(("console=ttyS0", "panic=-1", *words)), *tags.words()]
        argv += ["-drive", f"file={disk},format=raw,if=virtio", "-device", "virtio-scsi-pci"]
        argv += ["-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng"]
        argv += ["-serial", f"file:{console}"]
        if stick:
            argv += ["-drive", f"file={stick},format=raw,if=none,id=stick", "-device", "scsi-hd,drive=stick"]
        for tap in taps:
            run = ["ip", "netns", "exec", lan, "ip", "link", "set", "laptop", "master", "lan", "up"]
            subprocess.run(run, check=True)
            argv += ["-netdev", f"tap,id=lan,fd={tap}", "-device", "virtio-net-pci,netdev=lan,romfile="]
        return self._until_off(argv, taps, console)

    def _until_off(self, argv: list[str], taps: list[int], console: Path) -> str:
        try:
            process = subprocess.Popen(argv, pass_fds=taps, stderr=subprocess.PIPE, text=True)
        finally:
            # The tap ends with the laptop that has it.
            for tap in taps:
                os.close(tap)
        try:
            _, said = process.communicate(timeout=BOOT_SECONDS)
        finally:
            process.kill()
            process.wait()
        text = console.read_text(errors="replace")
        assert process.returncode == 0, said + text[-4000:]
        return text
