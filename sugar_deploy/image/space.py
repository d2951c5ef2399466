"""A disk that is full: whose words tell it, and what the deployer can do."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sugar_deploy.errors import DeployError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_WORDS = re.compile(
    r"No space left on device|Disk quota exceeded|Wrote only \d+ of \d+ bytes"
    r"|write failed writing|bytes to the output file"
)
"""The last are tar's, of a write that the disk took in part, and those of sumtool, mkfs.ubifs and ubinize."""


def full(said: str) -> bool:
    """Whether a program complained of a full disk."""
    return _WORDS.search(said) is not None


def no_room(said: str) -> OSError:
    """What a program complained of, as the error that writing would have been for us."""
    return OSError(errno.ENOSPC, said)


@contextmanager
def room_on_disk(folder: Path, remedy: str, what: str = "") -> Iterator[None]:
    """Within, a full disk becomes a DeployError: the one that holds FOLDER, where all is written."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DeployError(f"{what}the disk that holds {folder} is full", remedy) from error
