"""Sticks for tests, written by hand from the documented layout and signed by real keys."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sugar_deploy.resources import resource

_COLLECTION = "collections/ansible_collections/sugar/deploy"
REPORTING = (f"{_COLLECTION}/galaxy.yml", f"{_COLLECTION}/plugins/callback/events.py")
"""What a project needs so that a run is told of what happens."""

CREATED = "2026-01-02T03:04:05Z"

SITE = """\
---
- name: Pretend to be the real playbook
  hosts: all
  become: true
  gather_facts: false
  tasks:
    - name: Leave a mark
      ansible.builtin.copy:
        content: "{{ mark }} {{ lookup('ansible.builtin.file', playbook_dir ~ '/repository/tree/snapshot') }}"
        dest: "{{ target }}"
        mode: "0644"
    - name: Fail where that is wanted
      ansible.builtin.command: test ! -e {{ target }}.fail
      changed_when: false
"""


@dataclass(frozen=True)
class Key:
    """A GnuPG home with one key."""

    home: Path
    fingerprint: str
    public: str


def gpg(home: Path, *arguments: str, data: str = "") -> str:
    argv = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--no-tty", "--passphrase", "", *arguments]
    return subprocess.run(argv, input=data, check=True, capture_output=True, text=True).stdout


def make_key(home: Path, name: str, *, faked: str = "20251201T000000", expires: str = "0") -> Key:
    home.mkdir(mode=0o700, parents=True)
    user = f"{name} <{name}@example.org>"
    gpg(home, "--faked-system-time", faked, "--quick-gen-key", user, "rsa3072", "sign", expires)
    lines = gpg(home, "--with-colons", "--list-keys").splitlines()
    fingerprint = next(line.split(":")[9] for line in lines if line.startswith("fpr:"))
    return Key(home, fingerprint, gpg(home, "--armor", "--export"))


def prolonged(key: Key) -> Key:
    """The same key with a longer life."""
    gpg(key.home, "--faked-system-time", "20260101T000000", "--quick-set-expire", key.fingerprint, "0")
    return Key(key.home, key.fingerprint, gpg(key.home, "--armor", "--export"))


def together(*keys: Key) -> str:
    """One armoured block with all of them."""
    folder = keys[0].home
    for key in keys[1:]:
        gpg(folder, "--import", data=key.public)
    text = gpg(folder, "--armor", "--export", *(key.fingerprint for key in keys))
    for key in keys[1:]:
        gpg(folder, "--yes", "--delete-keys", key.fingerprint)
    return text


def sign(text: str, *keys: Key, faked: str) -> str:
    """A detached signature by all of them, armoured, as one block."""
    packets = b""
    for key in keys:
        home = ["--homedir", str(key.home), "--batch", "--quiet", "--faked-system-time", faked]
        done = subprocess.run(["gpg", *home, "--detach-sign"], input=text.encode(), check=True, capture_output=True)
        packets += done.stdout
    argv = ["gpg", "--batch", "--enarmor"]
    armoured = subprocess.run(argv, input=packets, check=True, capture_output=True).stdout.decode()
    return armoured.replace("PGP ARMORED FILE", "PGP SIGNATURE")


def project_tar(variables: Mapping[str, str], schools: Sequence[str], site: str = SITE) -> bytes:
    """A rendered project of a few files."""
    files = {
        "site.yml": site,
        "ansible.cfg": "[defaults]\ninventory = inventory\ncollections_path = collections\n",
        "inventory/hosts.ini": "".join(f"{school}\n" for school in schools),
        "inventory/group_vars/all.json": json.dumps(dict(variables)),
    }
    files |= {name: (resource("collections") / name.partition("/")[2]).read_text() for name in REPORTING}
    files |= {
        f"inventory/host_vars/{school}.json": json.dumps({"ansible_host": "192.0.2.1", "ansible_user": "nobody"})
        for school in schools
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(text.encode()), 0o600
            tar.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def entry(path: str, data: bytes) -> dict[str, Any]:
    return {"path": path, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


def manifest_text(fields: Mapping[str, Any]) -> str:
    """Fields as JSON, one file a line."""
    head = json.dumps({key: value for key, value in fields.items() if key not in {"files", "held"}}, indent=2)
    text = head.removesuffix("\n}")
    for name in ("files", "held"):
        rows = ",\n".join(f"    {json.dumps(one)}" for one in fields[name])
        text += f',\n  "{name}": [' + (f"\n{rows}\n  ]" if rows else "]")
    return f"{text}\n}}\n"


@dataclass
class Stick:
    """A bundle in a folder; change its fields or files, then write() or sign() again."""

    root: Path
    keys: tuple[Key, ...]
    serial: int = 1
    snapshot: str = "0123456789ab"
    files: dict[str, bytes] = field(default_factory=dict)
    held: dict[str, bytes] = field(default_factory=dict)
    fields: dict[str, Any] = field(default_factory=dict)
    trusted: tuple[Key, ...] | None = None
    """Whom key.asc and the manifest name; by default those who sign."""
    signed_at: str = "20260102T030405!"
    """As gpg's --faked-system-time wants it."""
    change: Callable[[dict[str, Any]], None] = lambda _fields: None
    """Breaks the manifest before it is signed."""

    @property
    def folder(self) -> Path:
        return self.root / "sugar-deploy"

    def manifest(self) -> dict[str, Any]:
        since = self.fields.get("since")
        fields: dict[str, Any] = {
            "format": 1,
            "deployment": "lima",
            "title": "Lima",
            "kind": "incremental" if since else "complete",
            "snapshot": self.snapshot,
            "serial": self.serial,
            "since": None,
            "created_at": CREATED,
            "tool": "0.1.0",
            "schools": ["san-martin"],
            "suites": ["bookworm", "trixie"],
            "architectures": ["amd64"],
            "fingerprints": sorted(key.fingerprint for key in self.trusted or self.keys),
            "files": [entry(path, data) for path, data in sorted(self.files.items())],
            "held": [entry(path, data) for path, data in sorted(self.held.items())],
        }
        return fields | self.fields

    def write(self) -> Stick:
        """Everything onto the stick."""
        for path, data in self.files.items():
            target = self.folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        (self.folder / "key.asc").write_text(together(*(self.trusted or self.keys)))
        return self.sign()

    def sign(self) -> Stick:
        """The manifest and its signature alone."""
        fields = self.manifest()
        self.change(fields)
        text = manifest_text(fields)
        (self.folder / "MANIFEST.json").write_text(text)
        (self.folder / "MANIFEST.json.asc").write_text(sign(text, *self.keys, faked=self.signed_at))
        return self


def snapshot_files(snapshot: str, serial: int, packages: Mapping[str, bytes]) -> dict[str, bytes]:
    """A repository that looks like a published one, as far as an installation looks."""
    record = json.dumps({"format": 1, "id": snapshot, "serial": serial})
    files = {
        "repository/dists/bookworm/InRelease": f"signed {snapshot}\n".encode(),
        "repository/snapshot": f"{snapshot}\n".encode(),
        "repository/snapshot.json": record.encode(),
    }
    return files | {f"repository/pool/main/{name}": data for name, data in packages.items()}


def tree(root: Path) -> dict[str, Any]:
    """Everything below a folder: modes, links and bytes."""
    found: dict[str, Any] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = str(path.readlink()) if path.is_symlink() else path.read_bytes() if path.is_file() else ""
        found[str(path.relative_to(root))] = (oct(status.st_mode), content)
    return found
