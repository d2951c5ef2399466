"""Where the lab keeps things: small run-time state of each lab, and large files in the cache."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


def runtime_root() -> Path:
    """One folder a lab: its state, keys, control socket and logs; gone when the lab is gone."""
    return Path(os.environ.get("SUGAR_DEPLOY_LAB_RUNTIME") or "/run/sugar-deploy/lab")


def cache_root() -> Path:
    """Images, downloaded packages and the machines' disks."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "sugar-deploy" / "lab"


@dataclass(frozen=True, slots=True)
class LabPlace:
    """Names every path of one lab; creates none of them."""

    root: Path
    disks: Path

    @classmethod
    def of(cls, identity: str) -> LabPlace:
        """The place of the lab with this identity."""
        return cls(runtime_root() / identity, cache_root() / "machines" / identity)

    @property
    def identity(self) -> str:
        """The lab's short name."""
        return self.root.name

    @property
    def alive(self) -> Path:
        """Locked as long as the lab lives: whoever gets the lock may clear the lab away."""
        return self.root / "alive"

    @property
    def in_use(self) -> Path:
        """Locked likewise, beside the disks: labs may share a cache and not the folder of their state."""
        return self.disks / "_in-use"

    @property
    def spec(self) -> Path:
        """What the lab is made of."""
        return self.root / "spec.json"

    @property
    def state(self) -> Path:
        """What became of it: ports, and the process that holds it."""
        return self.root / "state.json"

    @property
    def control(self) -> Path:
        """The supervisor's socket."""
        return self.root / "control"

    @property
    def apt(self) -> Path:
        """The APT proxy's socket."""
        return self.root / "apt"

    @property
    def log(self) -> Path:
        """What the supervisor says."""
        return self.root / "supervisor.log"

    @property
    def key(self) -> Path:
        """The private key that opens every machine of this lab."""
        return self.root / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The machines' host keys, as ssh wants them."""
        return self.root / "known_hosts"

    def host_key(self, machine: str) -> Path:
        """A machine's private host key."""
        return self.root / "host-keys" / machine

    def console(self, machine: str) -> Path:
        """What a machine writes to its console."""
        return self.root / f"{machine}.console.log"

    def disk(self, machine: str) -> Path:
        """The folder with a machine's disk and its snapshots."""
        return self.disks / machine

    @property
    def deployment(self) -> Path:
        """The deployment's folder, made ready for the lab; no machine's name has an underscore."""
        return self.disks / "_deployment"
