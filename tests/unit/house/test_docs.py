"""The documents are finished."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LEFT_OPEN = re.compile(r"\b(?:TODO|FIXME|XXX|TBD|MEASURED|LOREM)\b")


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_left_open(path: Path) -> None:
    assert [line for line in path.read_text("utf-8").splitlines() if LEFT_OPEN.search(line)] == []
