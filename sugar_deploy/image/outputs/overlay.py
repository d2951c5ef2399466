"""The deployer's settings, laid over the file system of a system that was made before; and taken away again.

So that file system, which takes long to make, is the same for all settings, and serves the next image.
"""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.image.outputs.debugfs import Place, debugfs, is_full, quoted
from sugar_deploy.image.outputs.programs import run
from sugar_deploy.image.survey.reading import mode, normal

_SUPERBLOCK = slice(1024, 2048)
"""Where it is in an ext2 file system, in bytes."""


@contextmanager
def laid(place: Place, tree: Path, *, epoch: int, work: Path) -> Iterator[None]:
    """Within, what the small tar TREE holds is in the file system at PLACE; then that is as it was, to the byte.

    Its folders are new ones, no name leads through a link, and all its times are EPOCH. WORK is an existing folder.
    Raises DeployError. Whoever is interrupted has a file system that is to be thrown away.
    """
    # With an offset, e2fsprogs up to 1.47 notes the blocks of twice as far.
    assert place.offset == 0, "the file system has a file of its own"
    undo, before = work / "settings.e2undo", _superblock(place)
    try:
        debugfs(place, _lines(tree, work), epoch, ("-z", str(undo)))
    except DeployError as error:
        if is_full(error):
            raise DeployError(
                f"the file system of {place.size / 1e6:.0f} MB has no room left for the settings",
                "Take files out of overrides/image/files, leave packages out, or take a larger medium",
            ) from error
        raise
    run(["e2fsck", "-f", "-n", place.address], epoch=epoch)
    yield
    run(["e2undo", str(undo), str(place.image)], epoch=epoch)
    undo.unlink()
    # It notes there that it has written.
    with place.image.open("r+b") as image:
        image.seek(_SUPERBLOCK.start)
        image.write(before)


def _superblock(place: Place) -> bytes:
    with place.image.open("rb") as image:
        return image.read(_SUPERBLOCK.stop)[_SUPERBLOCK]


def _lines(tree: Path, work: Path) -> Iterator[str]:
    """What tells debugfs all of a tar; contents lie in WORK. Times are the epoch's by themselves."""
    with tarfile.open(tree, "r:") as archive:
        for number, member in enumerate(archive):
            path = quoted(normal(member.name))
            if member.isdir():
                yield f"mkdir {path}"
            else:
                yield f"rm {path}"
            if member.issym():
                yield f"symlink {path} {quoted(member.linkname)}"
            elif content := archive.extractfile(member):
                file = work / f"laid-{number}"
                with file.open("wb") as target:
                    shutil.copyfileobj(content, target)
                yield f"write {file} {path}"
            yield f"set_inode_field {path} mode 0{mode(member):o}"
            yield f"set_inode_field {path} uid {member.uid}"
            yield f"set_inode_field {path} gid {member.gid}"
