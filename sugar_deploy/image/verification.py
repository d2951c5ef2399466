"""Whatever one may be handed, verified: a file, an image of a whole disk or stick, or a stick's folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sugar_deploy.image.bundles.signing import Key
from sugar_deploy.image.checking import check_file
from sugar_deploy.image.disks.checking import check_disk, check_started, is_disk
from sugar_deploy.image.report import Report
from sugar_deploy.image.stick import check_stick
from sugar_deploy.image.zd.checking import Sound


def verified(
    path: Path, keys: Sequence[Key] = (), *, is_fat: bool = True, sound: Sound | None = None
) -> dict[Path, Report]:
    """A report for each file of the firmware's at PATH, and for a folder as a whole.

    KEYS are what the laptops trust, SOUND a `.zd`'s blocks that were checked before; IS_FAT: what is in a folder goes
    onto FAT. Raises UsageError for what is neither.
    """
    if path.is_dir():
        reports = check_stick(path, keys, is_fat=is_fat, sound=sound)
    elif path.suffix.lower() == ".img" and is_disk(path):
        reports = {path: check_disk(path, keys)}
    else:
        reports = {path: check_file(path, keys, sound)}
    for file, report in reports.items():
        if report.ok and file.suffix.lower() == ".zd":
            check_started(file, keys, report)
    return reports
