"""A stick with the image that the historical tools wrote."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.unit.image.bundle_samples import VECTORS


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    for name in ("image.zd", "image.zsp"):
        shutil.copy(VECTORS / name, tmp_path)
    return tmp_path
