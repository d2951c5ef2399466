# SPDX-License-Identifier: GPL-3.0-or-later
"""Sugar's Journal on disk: one folder for each entry, as carquinyol's layout 6 has it, or an older one."""

from __future__ import annotations

import ctypes
import os
import shutil
import stat
from pathlib import Path

_HERE, _EXCHANGE = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE of Linux."""


def count_entries(datastore: Path) -> int:
    """How many entries there are; as the school server counts them."""
    if (datastore / "store").is_dir():
        return sum(1 for _ in (datastore / "store").glob("*.metadata"))
    prefixes = [path for path in _folders(datastore) if len(path.name) == 2]
    return sum(1 for prefix in prefixes for path in _folders(prefix) if len(path.name) == 36)


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []


def sound(datastore: Path, entries: int) -> str:
    """What is wrong with a fetched datastore that should have so many entries; empty if nothing is."""
    found = count_entries(datastore)
    if found != entries:
        return f"it has {found} entries instead of {entries}"
    for folder, folders, files in os.walk(datastore):
        for name in (*folders, *files):
            path = Path(folder, name)
            mode = path.lstat().st_mode
            if not stat.S_ISDIR(mode) and not stat.S_ISREG(mode):
                return f"{path} is neither a file nor a folder"
    return ""


def put_in_place(new: Path, datastore: Path, kept: Path) -> bool:
    """Makes NEW the datastore; the one before is at KEPT. False if there was none.

    What Sugar has noted about its index is removed first, so that it makes one of these entries at its next start.
    """
    for name in ("index_updated", "ds_clean"):
        (new / name).unlink(missing_ok=True)
    shutil.rmtree(new / "index", ignore_errors=True)
    os.sync()
    if not datastore.exists():
        new.rename(datastore)
        return False
    # From here on nothing has a name under which the next restoration would write.
    new.rename(kept)
    if not _exchange(kept, datastore):
        aside = kept.with_name(f"{kept.name}.old")
        datastore.rename(aside)
        kept.rename(datastore)
        aside.rename(kept)
    return True


def _exchange(one: Path, other: Path) -> bool:
    """Exchanges two folders, so that there is a datastore at every moment; False where that is not possible."""
    try:
        renameat2 = ctypes.CDLL(None, use_errno=True).renameat2
    except AttributeError:  # a C library before glibc 2.28
        return False
    return bool(renameat2(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0)
