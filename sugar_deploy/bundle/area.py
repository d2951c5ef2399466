"""A folder of one run below the deployment's state."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from sugar_deploy.folder import Folder
from sugar_deploy.repository.tree import remove


@contextlib.contextmanager
def area(folder: Folder, prefix: str) -> Iterator[Path]:
    """An empty folder whose name begins so; what killed runs left of such goes. The caller holds a lock."""
    for left in folder.state.glob(f"{prefix}*"):
        remove(left)
    with tempfile.TemporaryDirectory(prefix=prefix, dir=folder.state) as name:
        yield Path(name)
