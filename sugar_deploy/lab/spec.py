"""What a lab is made of, as plain data that travels to its supervisor."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

UPLINK = "uplink"
UPLINK_NETWORK = "192.0.2.0/24"
"""TEST-NET-1: never a real network."""
INTERNET_ADDRESS = "192.0.2.1"
"""The outsider on the uplink, and the servers' way out."""
FAR_ADDRESS = "198.51.100.1"
"""A host of the lab's Internet, beyond the uplink: reachable through a gateway only."""
APT_PORT = 3142
"""In each machine, on its own loopback."""

Kind = Literal["server", "client"]


@dataclass(frozen=True, slots=True)
class Nic:
    """A network interface of a machine."""

    name: str
    link: str
    address: str | None = None
    """Static, with prefix; None: a client asks by DHCP, a server leaves it to its deployment."""


@dataclass(frozen=True, slots=True)
class MachineSpec:
    """One machine."""

    name: str
    kind: Kind
    school: str
    nics: tuple[Nic, ...]
    memory_mib: int = 1024
    held_to_memory: bool = False
    """A container, too, has no more than that; a virtual machine never has."""
    offline: bool = False
    """Without the lab's way to packages: a machine that has only what is brought to it."""
    sugar: bool = False
    """With Debian's Sugar on a screen of its own."""


@dataclass(frozen=True, slots=True)
class LabSpec:
    """One lab."""

    identity: str
    suite: str
    backend: str
    image: str
    """The unpacked root filesystem that machines start from; never written to."""
    machines: tuple[MachineSpec, ...]
    sugar_image: str = ""
    """The one with Sugar, for the machines that have it."""

    @property
    def links(self) -> tuple[str, ...]:
        """Every link that some machine is plugged into, and the uplink."""
        return tuple(sorted({UPLINK} | {nic.link for machine in self.machines for nic in machine.nics}))

    def to_json(self) -> str:
        """As the supervisor reads it."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def read(cls, file: Path) -> LabSpec:
        """Back from the file."""
        raw: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        machines = tuple(
            MachineSpec(**{**each, "nics": tuple(Nic(**nic) for nic in each["nics"])}) for each in raw["machines"]
        )
        return cls(**{**raw, "machines": machines})
