"""The hash of each phase's inputs: what must be unchanged for a recorded phase to count as done."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

from sugar_deploy.scenario.plan import Host

# The services whose overrides each role ships.
OVERRIDDEN_SERVICES: dict[str, tuple[str, ...]] = {
    "sshd": ("sshd",),
    "lan": ("dnsmasq",),
    "firewall": ("nftables",),
    "time": ("chrony",),
    "presence": ("prosody",),
    "sugar_server": ("sugar-server",),
}
BROUGHT_FILES = {"presence": ("files/authority.crt",)}


def tree_hash(paths: Iterable[Path]) -> str:
    """Hash of the names, modes and bytes of all files below the paths."""
    digest = hashlib.sha256()
    for top in paths:
        files = sorted(path for path in top.rglob("*") if path.is_file()) if top.is_dir() else [top]
        for path in files:
            if not path.exists() or "__pycache__" in path.parts:
                continue
            data = path.read_bytes()
            executable = bool(path.stat().st_mode & 0o100)
            digest.update(f"{path.relative_to(top.parent)}\0{executable}\0{len(data)}\0".encode())
            digest.update(data)
    return digest.hexdigest()


def phase_hashes(project: Path, hosts: Iterable[Host]) -> dict[str, dict[str, str]]:
    """For each host and phase, the hash of everything that the phase makes use of."""
    common = tree_hash(
        [
            project / "collections",
            *sorted(project.glob("*.yml")),
            project / "repository" / "state",
            project / "files" / "repository-key.asc",
        ]
    )
    by_role: dict[str, str] = {}
    hashes: dict[str, dict[str, str]] = {}
    for host in hosts:
        own: dict[str, str] = {}
        for variables in host.variables:
            role = variables.role
            if role not in by_role:
                overrides = [project / "overrides" / service for service in OVERRIDDEN_SERVICES.get(role, ())]
                brought = [project / path for path in BROUGHT_FILES.get(role, ())]
                by_role[role] = tree_hash([project / "roles" / role, *overrides, *brought])
            laptops = getattr(variables, "laptops", None)
            inputs = [
                common,
                by_role[role],
                variables.model_dump_json(),
                tree_hash([project / laptops]) if laptops else "",
            ]
            own[role] = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()
        hashes[host.name] = own
    return hashes
