"""An ext2 or ext4 file system within an image file, filled from a folder or a tar; no root, no mounting.

mke2fs copies the owners and device nodes that the tar gives. Extended attributes, and every time that mke2fs takes
from the building machine, are set afterwards, by debugfs.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.image.outputs.composed import attributes_in
from sugar_deploy.image.outputs.debugfs import Place, debugfs, is_full, quoted
from sugar_deploy.image.outputs.programs import program, run
from sugar_deploy.image.outputs.unpacked import run_on, run_on_stages
from sugar_deploy.image.survey import sizes
from sugar_deploy.image.survey.survey import Attribute

BLOCK = 4096
# What kernels of the laptops' first years cannot mount is left out: checksums and 64 bit came with 3.6 and after,
# the file of orphans with 5.15. Tables are written out, as what is left over on a card would show through.
_COMMON = ("lazy_itable_init=0", "lazy_journal_init=0", "nodiscard", "root_owner=0:0")
_LAY_OUT_LATE = """set -eu
tree=$1
date=$(stat --format=%Y "$tree")
number=0
for name in $2; do
    number=$((number + 1))
    [ ! -d "$tree/$name" ] || [ -L "$tree/$name" ] || mv "$tree/$name" "$tree/~$number$name"
done
touch --date="@$date" "$tree"
shift 2
exec "$@"
"""
_FREE = re.compile(r"^\s+Free inodes: (.*)$", re.MULTILINE)
_COUNT = re.compile(r"^Inode count:\s+(\d+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Shape:
    """A kind of file system: features as mke2fs names them, and percent that only root may fill.

    The folders in LATE are laid out last, in this order: settings change there, and each file that grows moves all
    that is behind it, so that little of the image before could be taken over.
    """

    kind: str
    features: str
    reserved_percent: int = 0
    late: tuple[str, ...] = ()


BOOT = Shape("ext2", "dir_index,^resize_inode,^64bit,^metadata_csum")
ROOT = Shape(
    "ext4", "dir_index,^huge_file,^64bit,^metadata_csum,^orphan_file", 1, ("var", "boot", "root", "home", "etc")
)


def make(
    place: Place,
    shape: Shape,
    tree: Path,
    *,
    label: str,
    identity: uuid.UUID,
    epoch: int,
    work: Path,
    attributes: Callable[[], Iterable[Attribute]] | None = None,
    unpacked: Path | None = None,
) -> None:
    """Make the file system with what the tar TREE holds; all its times are EPOCH or what the tar says.

    WORK is an existing folder on the same disk. ATTRIBUTES gives the tar's extended ones, if they are known, UNPACKED
    is a folder with what it holds, which is used up. Raises DeployError, if it does not fit with its sizes.
    """
    source = unpacked or work / "tree"
    extended = attributes or partial(attributes_in, tree)
    options = ",".join((*_COMMON, f"hash_seed={identity}", f"offset={place.offset}"))
    mke2fs = [program(f"mkfs.{shape.kind}"), "-q", "-F", "-b", str(BLOCK), "-m", str(shape.reserved_percent)]
    mke2fs += ["-L", label, "-U", str(identity), "-O", shape.features, "-E", options, "-d", str(source)]
    mke2fs += [str(place.image), str(place.size // BLOCK)]
    late = ["sh", "-c", _LAY_OUT_LATE, "late", str(source), " ".join(shape.late)]
    try:
        if unpacked:
            run_on_stages(unpacked, extended(), [*late, *mke2fs], epoch=epoch)
        else:
            run_on(source, (tree,), [*late, *mke2fs], epoch=epoch)
    except DeployError as error:
        if is_full(error):
            filling = "\n".join(sizes.shown(sizes.measured(tree)))
            raise DeployError(
                f"the {label} file system of {place.size / 1e6:.0f} MB is too small for what goes into it:\n"
                f"{filling}",
                "Leave packages out, or take a larger medium",
            ) from error
        raise
    _finish(place, [*_named(source, shape), *_attributes(extended(), work)], epoch)
    run(["e2fsck", "-f", "-n", place.address], epoch=epoch)


def _named(unpacked: Path, shape: Shape) -> list[str]:
    """What gives the late folders their names, by debugfs: mke2fs takes folders in the order of their names."""
    lines = []
    for number, name in enumerate(shape.late, start=1):
        if (unpacked / f"~{number}{name}").is_dir():
            lines += [f'ln "/~{number}{name}" "/{name}"', f'unlink "/~{number}{name}"']
    return lines


def _attributes(attributes: Iterable[Attribute], work: Path) -> list[str]:
    """What tells debugfs extended attributes, as a program's capabilities are one; values lie in WORK."""
    lines: list[str] = []
    for path, name, value in attributes:
        file = work / f"attribute-{len(lines)}"
        file.write_bytes(value)
        lines.append(f"ea_set -f {file} {quoted(path)} {name}")
    return lines


def _finish(place: Place, lines: list[str], epoch: int) -> None:
    """Run debugfs' LINES, and set what is the building machine's: when an inode was changed and read."""
    for number in _inodes(run(["dumpe2fs", place.address], epoch=epoch).output):
        lines += [f"set_inode_field <{number}> {field} @{epoch}" for field in ("ctime", "atime")]
    debugfs(place, lines, epoch)


def _inodes(description: str) -> Iterator[int]:
    """The numbers of the inodes in use, by dumpe2fs."""
    count = _COUNT.search(description)
    assert count is not None, "dumpe2fs always says how many inodes there are"
    free: set[int] = set()
    for ranges in _FREE.findall(description):
        for part in ranges.split(", "):
            if part:
                first, _, last = part.partition("-")
                free.update(range(int(first), int(last or first) + 1))
    return (number for number in range(1, int(count[1]) + 1) if number not in free)
