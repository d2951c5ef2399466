"""What several of these tests begin with."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.integration.image.stages import Stages


@pytest.fixture
def stages(tmp_path: Path) -> Stages:
    found = Stages(tmp_path / "stages")
    found.make()
    return found


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Gives a disk the room that it is told, in KiB; what is on it stays."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], check=True)

    def room(kibibytes: int) -> Path:
        subprocess.run(["mount", "-o", f"remount,size={kibibytes}k", place], check=True)
        return place

    yield room
    subprocess.run(["umount", "--lazy", place], check=True)
