"""A stick that brings a school server what `apply` would: in XS school servers' form, its manifest signed."""

from __future__ import annotations

import hashlib
from pathlib import Path

from olpc_security.keys import PrivateKey
from olpc_security.sign import sign01

from sugar_deploy.errors import UsageError
from sugar_deploy.files import write_on_media
from sugar_deploy.folder import Folder

FOLDER, MANIFEST = "xs-activation", "manifest.sha1"
BROUGHT = ("d-lease.sig", "leases.sig")


def deliverable(folder: Folder, school: str) -> dict[str, bytes]:
    """The files for a school; raises UsageError where there are none."""
    paths = [path for name in BROUGHT if (path := folder.leases / school / name).exists()]
    if folder.stolen.exists():
        paths.append(folder.stolen)
    if not paths:
        raise UsageError(
            f"there is nothing for {school}: neither {folder.leases / school / BROUGHT[0]} nor {folder.stolen}",
            "Make it: sugar-deploy lease delegate, issue or revoke",
        )
    return {path.name: path.read_bytes() for path in paths}


def write_delivery(files: dict[str, bytes], school: str, key: PrivateKey, out: Path) -> tuple[Path, ...]:
    """Write the files below the root of a stick; the manifest comes last, so that half a stick is refused."""
    target = out / FOLDER / school
    target.mkdir(parents=True, exist_ok=True)
    for name in (MANIFEST, f"{MANIFEST}.sig", *BROUGHT, "stolen.list"):
        (target / name).unlink(missing_ok=True)
    # The form wants SHA-1; what protects is the signature of this list, and those of what is in it.
    sums = {name: hashlib.sha1(content, usedforsecurity=False).hexdigest() for name, content in files.items()}
    manifest = "".join(f"{digest}  {name}\n" for name, digest in sums.items()).encode("ascii")
    signature = f"{sign01(key, manifest).text}\n".encode("ascii")
    written = files | {f"{MANIFEST}.sig": signature, MANIFEST: manifest}
    for name, content in written.items():
        write_on_media(target / name, content)
    return tuple(target / name for name in written)
