"""What an image is: of which model, snapshot, packages and keys, and how its disk is laid out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sugar_deploy.image.checking import check_file
from sugar_deploy.image.disks.table import first_sector, partitions
from sugar_deploy.image.outputs import manifest

_LARGEST = 15
"""Packages and folders that are told; the manifest has all of them."""


def inspected(path: Path) -> dict[str, Any]:
    """What there is to tell of an image's folder, or of one of its files. Raises UsageError if it is neither.

    Where something is not as it should be, `faults` says so.
    """
    if path.is_dir():
        said = manifest.read(path)
        return {**_summary(said), "faults": manifest.changed(path, said)}
    partitions = _partitions(path)
    if path.suffix.lower() == ".img" and partitions:
        return {"kind": "disk", "bytes": path.stat().st_size, "partitions": partitions, "faults": []}
    report = check_file(path)
    told = {"kind": path.suffix.lower().removeprefix("."), "bytes": path.stat().st_size, **report.facts}
    return {**told, **({"partitions": partitions} if partitions else {}), "faults": report.errors}


def _summary(said: dict[str, Any]) -> dict[str, Any]:
    """A manifest, with how many packages there are in place of all of them, and which are the largest."""
    kept = ("model", "title", "medium", "recipe", "time", "keys", "files", "proved", "unproved")
    told = {name: said[name] for name in kept} | {"packages": len(said["packages"])}
    if "sizes" not in said:  # Images told nothing of it at first.
        return told
    sizes = said["sizes"]
    return told | {
        "filesystem": said["filesystem"],
        "notes": said["notes"],
        "system": {name: sizes[name] for name in ("bytes", "compressed")},
        "largest packages": sizes["packages"][:_LARGEST],
        "largest folders": sizes["folders"][:_LARGEST],
    }


def _partitions(path: Path) -> list[dict[str, Any]]:
    """The partitions of a disk's image or of a `.zd`; none where there is no table."""
    return [
        {
            "number": one.number,
            "type": f"{one.kind:02x}",
            "active": one.is_active,
            "start": one.start,
            "bytes": one.size,
        }
        for one in partitions(first_sector(path))
    ]
