# SPDX-License-Identifier: GPL-3.0-or-later
"""A stick with what activates a school's laptops, as XS school servers took it: xs-activation in its root.

A folder below it that is called like the server is for this one, and others' are left alone; what lies in it directly
is for whichever server. There are leases.sig, d-lease.sig and stolen.list, of which each may be missing, and a
manifest of their checksums, all by which nothing is taken unless all of it is as it was put there.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from olpc_security.fields import Fields
from olpc_security.rules import Refusal
from olpc_security.trust import TrustedKeys
from olpc_security.verify import Check, require_signature

from sugar_server.antitheft.imports import LARGEST
from sugar_server.library.stick import Unsound, digest, opened

FOLDER = "xs-activation"
LEASES, DELEGATIONS, STOLEN = "leases.sig", "d-lease.sig", "stolen.list"
NAMES = (LEASES, DELEGATIONS, STOLEN)
_SIGNATURE_BYTES = 65536


@dataclass(frozen=True)
class Brought:
    """The files of a stick, by their names, and whether the deployment has signed their manifest."""

    files: dict[str, bytes]
    is_signed: bool


def folder_of(root: Path, name: str) -> Path:
    """Where a stick, or its xs-activation, has what is for the server called NAME; raises Unsound."""
    base = root if root.name == FOLDER else root / FOLDER
    for folder in (base / name, base):
        if any((folder / f"manifest.{kind}").exists() for kind in ("sha256", "sha1")):
            return folder
    raise Unsound(
        [f"{base} has no manifest.sha1, and neither has its folder {name}: nothing there is for this server"]
    )


def read_stick(folder: Path, trusted: TrustedKeys, now: int) -> Brought:
    """The files of a folder that is as it was made; raises Unsound with every fault there is to see."""
    with contextlib.ExitStack() as stack:
        stick = opened(folder, stack.enter_context)
        strange = [name for name in NAMES if (folder / name).exists() and name not in stick.sums]
        faults = [f"{name}: is not in the manifest" for name in strange]
        files = {}
        for name, file in stick.files.items():
            if digest(file, stick.kind) != stick.sums[name]:
                faults.append(f"{name}: is damaged: its checksum is not that of the manifest")
            elif name in NAMES:
                file.seek(0)
                files[name] = file.read(LARGEST + 1)
                if len(files[name]) > LARGEST:
                    faults.append(f"{name}: is larger than {LARGEST // 2**20} MiB")
    if faults:
        raise Unsound(faults)
    if not files:
        raise Unsound([f"{folder} has none of {', '.join(NAMES)}"])
    return Brought(files, _is_signed(folder / f"manifest.{stick.kind}", trusted, now))


def _is_signed(manifest: Path, trusted: TrustedKeys, now: int) -> bool:
    """Whether a sig01 line of the deployment lies beside the manifest; raises Unsound where another one does."""
    file = manifest.with_name(f"{manifest.name}.sig")
    try:
        with file.open("rb") as opened_file:
            line = opened_file.read(_SIGNATURE_BYTES).decode("latin-1")
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Unsound([f"{file.name}: cannot be read ({error.strerror})"]) from None
    try:
        require_signature(Fields(line.rstrip("\r\n")), manifest.read_bytes(), Check(trusted, now))
    except Refusal as refusal:
        raise Unsound([f"{file.name}: {refusal}"]) from None
    return True
