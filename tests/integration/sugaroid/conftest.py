"""One school and one Prosody on loopback for all tests of this room."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "packages/sugaroid"))

from . import prosody as prosodies
from . import school as schools
from .services import Services


@pytest.fixture(scope="session")
def school() -> Iterator[schools.School]:
    assert os.geteuid() == 0, "these tests make network namespaces: run them as root"
    with schools.school() as made:
        yield made


@pytest.fixture(scope="session")
def prosody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[prosodies.Prosody]:
    with prosodies.running(tmp_path_factory.mktemp("prosody")) as server:
        yield server


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """The daemon and the backup service; not started yet."""
    made = Services(tmp_path)
    yield made
    made.stop()
