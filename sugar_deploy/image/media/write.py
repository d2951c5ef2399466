"""Writes a medium: as a folder, to be copied onto a stick, or as an image of a whole stick with its `.bmap`."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.image.bundles.signing import Key
from sugar_deploy.image.media.image import FIRST_OF_FAT, imaged
from sugar_deploy.image.media.layout import CONTENTS
from sugar_deploy.image.media.school import LIBRARY, MANIFEST, is_for_server
from sugar_deploy.image.stick import check_stick
from sugar_deploy.image.zd.checking import Sound
from sugar_deploy.render.swap import replacing


def write_folder(
    places: Mapping[str, Path], out: Path, keys: Sequence[Key] = (), *, is_fat: bool = True
) -> list[str]:
    """Make the folder OUT anew as a medium's root; gives warnings. Raises UsageError where the firmware refuses it.

    KEYS are what the laptops trust. OUT is replaced as a whole, and only if an earlier run made it.
    """
    with replacing(out, CONTENTS, "a medium's folder") as (draft, _):
        warnings = _fill(shutil.copyfile, places, draft, keys, is_fat=is_fat, sound=Sound())
        draft.chmod(0o755)
    return warnings


def write_image(
    places: Mapping[str, Path],
    out: Path,
    keys: Sequence[Key] = (),
    *,
    is_fat: bool = True,
    epoch: int = FIRST_OF_FAT,
    sound: Sound | None = None,
) -> list[str]:
    """Write the file OUT, an image of a whole stick, and OUT.bmap beside it; gives warnings.

    The same files give the same bytes. EPOCH (Unix seconds) is the time that its files carry, SOUND a `.zd`'s blocks
    that were checked before. Raises UsageError.
    """
    sound = Sound() if sound is None else sound
    with imaged(out, is_fat=is_fat, epoch=epoch, hash_of=sound.sha256) as root:
        # They are copied once, into the image.
        return _fill(_linked, places, root, keys, is_fat=is_fat, sound=sound)


def _linked(file: Path, target: Path) -> None:
    target.symlink_to(file.resolve())


def _fill(
    bring: Callable[[Path, Path], object],
    places: Mapping[str, Path],
    root: Path,
    keys: Sequence[Key],
    *,
    is_fat: bool,
    sound: Sound,
) -> list[str]:
    lines = []
    for place, file in sorted(places.items()):
        target = root / place
        target.parent.mkdir(parents=True, exist_ok=True)
        bring(file, target)
        lines.append(f"{sound.sha256(target)}  {place}\n")
    (root / CONTENTS).write_text("".join(lines), "ascii")
    if brought := [line.replace(f"{LIBRARY}/", "", 1) for line in lines if f"  {LIBRARY}/" in line]:
        (root / MANIFEST).write_text("".join(brought), "ascii")
    if all(is_for_server(place) for place in places):
        return []
    reports = check_stick(root, keys, is_fat=is_fat, sound=sound)
    errors = [error for report in reports.values() for error in report.errors]
    if errors:
        raise UsageError("\n".join(errors), "The firmware would refuse it: nothing was written")
    return [warning for report in reports.values() for warning in report.warnings]
