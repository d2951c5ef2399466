# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's own lease key: made here, never anywhere else, and for its owner only.

What it signs counts for those laptops alone that the deployment has delegated to it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from olpc_security.keys import PrivateKey

from sugar_server.database import UnusableDatabase
from sugar_server.durable import to_disk

NAME = "antitheft.private"


def own_key(folder: Path) -> PrivateKey | None:
    """The key in the state's folder, or None where none was made yet."""
    path = folder / NAME
    try:
        return PrivateKey.from_der(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UnusableDatabase(
            f"{path}: is no key that can be used ({error}). Restore it from a backup; or remove it, and have the "
            "new key of `sugar-server lease-key` delegated to."
        ) from None


def make_own_key(folder: Path) -> PrivateKey:
    """The key in the state's folder, made now if there is none. Of two who make it at once, the first counts."""
    found = own_key(folder)
    if found is not None:
        return found
    descriptor, name = tempfile.mkstemp(prefix=f".{NAME}.", dir=folder)  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(PrivateKey.generate().der)
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(name, folder / NAME)
    finally:
        Path(name).unlink()
    to_disk(folder)
    made = own_key(folder)
    if made is None:
        raise UnusableDatabase(f"{folder / NAME}: vanished while it was made. Try again.")
    return made
