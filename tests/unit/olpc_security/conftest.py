"""The vectors that OLPC's own tools made, and the laptop that they are for."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "packages" / "olpc-security"))
