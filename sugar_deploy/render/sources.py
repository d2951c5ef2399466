"""What a project takes from the deployment's folder: overrides, keys, laptops, repository, secrets."""

from __future__ import annotations

import csv
import difflib
import io

from sugar_deploy.deployment.load import laptops
from sugar_deploy.deployment.model import Laptop, School
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.render.draft import Draft

OVERRIDABLE = ("chrony", "dnsmasq", "nftables", "prosody", "sshd", "sugar-server")
"""Services whose roles ship the deployer's drop-ins."""

_VAULT = b"$ANSIBLE_VAULT;"


def copy_overrides(folder: Folder, draft: Draft) -> tuple[str, ...]:
    """Copy overrides/<service>/*.conf; returns what was left out, and refuses what no role would ever read."""
    if not folder.overrides.exists():
        return ()
    if not folder.overrides.is_dir():
        raise UsageError("overrides is a file, not a folder", "Put drop-ins into overrides/<service>/*.conf")
    left_out: list[str] = []
    for entry in sorted(folder.overrides.iterdir()):
        if entry.name.startswith(".") or entry.name.lower().startswith("readme"):
            continue
        if not entry.is_dir() or entry.name not in OVERRIDABLE:
            raise UsageError(f"overrides/{entry.name}: no service of this name takes overrides", _remedy(entry.name))
        for path in sorted(entry.iterdir()):
            name = f"overrides/{entry.name}/{path.name}"
            if path.name.startswith("."):
                continue
            if path.suffix != ".conf":
                left_out.append(name)
            elif path.is_file():
                draft.copy(path, name)
            else:
                raise UsageError(f"{name} is not a file, or a link to none", "Put a file in its place, or delete it")
    return tuple(left_out)


def _remedy(name: str) -> str:
    close = difflib.get_close_matches(name, OVERRIDABLE, n=1)
    if close:
        return f'Did you mean "{close[0]}"?'
    return f"Services that do: {', '.join(OVERRIDABLE)}"


def copy_keys(folder: Folder, draft: Draft) -> None:
    """Copy the servers' pinned host keys (none pinned: an empty file, so that ssh refuses all) and the public key."""
    pinned = folder.known_hosts
    draft.write("known_hosts", pinned.read_bytes() if pinned.exists() else b"")
    if folder.repository_key.exists():
        draft.copy(folder.repository_key, "files/repository-key.asc")


def copy_secrets(folder: Folder, draft: Draft) -> None:
    """Copy the hosts' secrets, encrypted as they are; anything in the clear is refused."""
    source = folder.secrets / "hosts.yml"
    if not source.exists():
        return
    if not source.read_bytes().startswith(_VAULT):
        raise UsageError(
            f"{source} is not encrypted", f"Encrypt it: ansible-vault encrypt {source}; then change what it held"
        )
    draft.copy(source, "secrets/hosts.yml")


def write_laptops(folder: Folder, name: str, school: School, draft: Draft) -> None:
    """Write a school's laptops in one form, whatever the encoding, order and line ends of the deployer's CSV."""
    if school.laptops is None:
        return
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    columns = tuple(Laptop.model_fields)
    table.writerow(columns)
    table.writerows([getattr(laptop, column) or "" for column in columns] for laptop in laptops(folder, school))
    draft.text(f"files/laptops/{name}.csv", text.getvalue())
