# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps a lease in a file, whole or not at all."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from sugaroid.errors import InvalidInput, reason


def keep(path: Path, content: bytes) -> None:
    """Write the file, and its folder if that is not there; raises InvalidInput."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
    except OSError as error:
        raise InvalidInput(f"{path} cannot be written: {reason(error)}") from error
