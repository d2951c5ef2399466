"""What a kind of machine can do: the one interface behind which nspawn and QEMU stand."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from sugar_deploy.lab.guest import GuestFile
from sugar_deploy.lab.places import LabPlace
from sugar_deploy.lab.spec import LabSpec, MachineSpec


@dataclass(frozen=True, slots=True)
class Wire:
    """Where a machine's SSH and APT meet the lab: addresses in the machine's network namespace."""

    ssh_address: str
    apt: str


@dataclass(frozen=True, slots=True)
class Seat:
    """One machine's place in a lab."""

    place: LabPlace
    spec: LabSpec
    machine: MachineSpec

    @property
    def image(self) -> Path:
        """The root filesystem that it starts from."""
        return Path(self.spec.sugar_image if self.machine.sugar else self.spec.image)

    @property
    def number(self) -> int:
        """Counts the lab's machines from 0."""
        return self.spec.machines.index(self.machine)

    @property
    def disk(self) -> Path:
        """Its disk's folder."""
        return self.place.disk(self.machine.name)


class Backend(Protocol):
    """Runs in the supervisor's namespaces: its own mounts, processes and named network namespaces."""

    name: str
    wire: Wire

    def prepare(self, seat: Seat, files: tuple[GuestFile, ...], ssh_port: int) -> None:
        """Make the machine's disk from the image and its own files."""

    def start(self, seat: Seat) -> subprocess.Popen[bytes]:
        """Plug the cables and switch it on."""

    def power_off(self, seat: Seat, process: subprocess.Popen[bytes]) -> None:
        """Ask it to shut down; returns at once."""

    def kill(self, seat: Seat, process: subprocess.Popen[bytes] | None) -> None:
        """Pull the plug; the disk stays as it is."""

    def plug(self, seat: Seat, file: Path, mode: str) -> str:
        """Plug a stick in; the device that is left to be mounted in the machine, if it is not mounted already."""

    def unplug(self, seat: Seat) -> None:
        """Take it out, unmounted in the machine before."""

    def yank(self, seat: Seat) -> None:
        """Pull it out while it is in use."""

    def save(self, seat: Seat, label: str) -> None:
        """Keep a copy of the switched-off machine's disk."""

    def restore(self, seat: Seat, label: str) -> None:
        """Put the copy back."""
