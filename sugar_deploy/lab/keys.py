"""A lab's own SSH keys: one that opens its machines, and a host key for each of them."""

from __future__ import annotations

import uuid
from pathlib import Path

from sugar_deploy.lab.guest import Identity
from sugar_deploy.lab.places import LabPlace
from sugar_deploy.lab.process import execute


def make_keys(place: LabPlace, machines: list[str]) -> None:
    """Create them, readable by their owner only."""
    _generate(place.key, "sugar-deploy lab")
    place.host_key("x").parent.mkdir(mode=0o700)
    for machine in machines:
        _generate(place.host_key(machine), machine)


def _generate(file: Path, comment: str) -> None:
    execute(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", str(file)))


def public(file: Path) -> str:
    """The public half of a private key's file."""
    return file.with_name(file.name + ".pub").read_text(encoding="ascii")


def identity(place: LabPlace, machine: str) -> Identity:
    """What a machine is given of them."""
    host_key = place.host_key(machine)
    return Identity(
        machine_id=uuid.uuid4().hex,
        host_key=host_key.read_text(encoding="ascii"),
        host_key_public=public(host_key),
        authorized_key=public(place.key),
    )


def known_hosts(place: LabPlace, ports: dict[str, int]) -> str:
    """Lines for ssh: each machine's host key at its port on loopback."""
    lines = []
    for machine, port in sorted(ports.items()):
        kind, key = public(place.host_key(machine)).split()[:2]
        lines.append(f"[127.0.0.1]:{port} {kind} {key}\n")
    return "".join(lines)
