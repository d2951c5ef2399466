"""Writes a medium: as a folder, to be copied onto a stick, or as an image of a whole stick with its `.bmap`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.files import sha256_of, write_atomically
from sugar_deploy.image.bundles.signing import Key
from sugar_deploy.image.media import bmap
from sugar_deploy.image.media.filesystem import write_ext2, write_fat
from sugar_deploy.image.media.layout import CONTENTS
from sugar_deploy.image.stick import check_stick
from sugar_deploy.render.swap import replacing

FIRST_OF_FAT = 315_532_800
"""1980-01-01 in Unix seconds: FAT knows no time before."""


def write_folder(
    places: Mapping[str, Path], out: Path, keys: Sequence[Key] = (), *, is_fat: bool = True
) -> list[str]:
    """Make the folder OUT anew as a medium's root; gives warnings. Raises UsageError where the firmware refuses it.

    KEYS are what the laptops trust. OUT is replaced as a whole, and only if an earlier run made it.
    """
    with replacing(out, CONTENTS, "a medium's folder") as (draft, _):
        warnings = _fill(places, draft, keys, is_fat=is_fat)
        draft.chmod(0o755)
    return warnings


def write_image(
    places: Mapping[str, Path], out: Path, keys: Sequence[Key] = (), *, is_fat: bool = True, epoch: int = FIRST_OF_FAT
) -> list[str]:
    """Write the file OUT, an image of a whole stick, and OUT.bmap beside it; gives warnings.

    The same files give the same bytes. EPOCH (Unix seconds) is the time that its files carry. Raises UsageError.
    """
    work = out.parent / f".{out.name}.work"
    shutil.rmtree(work, ignore_errors=True)
    try:
        (work / "root").mkdir(parents=True)
        warnings = _fill(places, work / "root", keys, is_fat=is_fat)
        image = work / "image"
        make = write_fat if is_fat else write_ext2
        make(work / "root", image, epoch)
        table = bmap.of(image, whole=not is_fat)
        with image.open("rb") as file:
            os.fsync(file.fileno())
        described = out.with_name(f"{out.name}.bmap")
        # Never an image beside the description of another one.
        described.unlink(missing_ok=True)
        image.replace(out)
        write_atomically(described, table, 0o644)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return warnings


def _fill(places: Mapping[str, Path], root: Path, keys: Sequence[Key], *, is_fat: bool) -> list[str]:
    lines = []
    for place, file in sorted(places.items()):
        target = root / place
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(file, target)
        lines.append(f"{sha256_of(target)}  {place}\n")
    (root / CONTENTS).write_text("".join(lines), "ascii")
    reports = check_stick(root, keys, is_fat=is_fat)
    errors = [error for report in reports.values() for error in report.errors]
    if errors:
        raise UsageError("\n".join(errors), "The firmware would refuse it: nothing was written")
    return [warning for report in reports.values() for warning in report.warnings]
