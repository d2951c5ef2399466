"""Journals made by hand, as Sugar's datastore keeps them: a file per property."""

from __future__ import annotations

import uuid
from pathlib import Path

MIDNIGHT = 1_769_817_600
"""2026-01-31 00:00 UTC: `date -u -d 2026-01-31 +%s`."""


def entry(profile: Path, **properties: object) -> Path:
    """One entry; `launch_times` stands for launch-times. Returns its folder."""
    uid = str(uuid.uuid4())
    metadata = profile / "datastore" / uid[:2] / uid / "metadata"
    metadata.mkdir(parents=True)
    for name, value in {"uid": uid, "title": "Mi mamá", "mime_type": "text/plain", **properties}.items():
        (metadata / name.replace("_times", "-times")).write_bytes(
            value if isinstance(value, bytes) else str(value).encode()
        )
    return metadata.parent
