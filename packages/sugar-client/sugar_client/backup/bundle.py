# SPDX-License-Identifier: GPL-3.0-or-later
"""One Journal entry as the bundle (.xoj) that Sugar opens: a ZIP with one folder, named by the entry's uid."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from pathlib import Path

_LEFT_OUT = {"uid", "mountpoint", "preview"}
"""Sugar takes the uid from the folder; a mount point would send the entry to another volume."""


def write(entry: Path, target: Path) -> None:
    """Writes the entry, a folder of layout 6 that is named by its uid, to the file TARGET: whole or not at all."""
    uid = entry.name
    handle, new = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"{uid}/_metadata.json", json.dumps(_metadata(entry / "metadata")))
            preview = entry / "metadata" / "preview"
            if preview.is_file():
                archive.write(preview, f"{uid}/preview/{uid}")
            # Sugar passes this path on whether the entry has a file or not.
            if (entry / "data").is_file():
                archive.write(entry / "data", f"{uid}/{uid}")
            else:
                archive.writestr(f"{uid}/{uid}", b"")
        Path(new).chmod(0o644)
        Path(new).replace(target)
    except BaseException:
        Path(new).unlink(missing_ok=True)
        raise


def _metadata(folder: Path) -> dict[str, str]:
    """The properties that are text; JSON has no others. What begins with a dot is a value half written."""
    found = {}
    for path in sorted(folder.iterdir()):
        if path.name not in _LEFT_OUT and not path.name.startswith(".") and path.is_file():
            try:
                found[path.name] = path.read_bytes().decode()
            except UnicodeDecodeError:
                continue
    return found
