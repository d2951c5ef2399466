"""JFFS2 and UBIFS for raw NAND, by Debian's mtd-utils: no root, and the same tree gives the same bytes.

Parameters are those of OLPC's builder (its modules jffs2_image and ubifs_image), but for UBIFS' fixing of free space.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.image.models import Nand
from sugar_deploy.image.outputs.programs import program, run
from sugar_deploy.image.outputs.unpacked import PRELOAD, run_on
from sugar_deploy.image.survey.survey import Attribute
from sugar_deploy.resources import resource

_VOLUME = """[rootfs]
mode=ubi
image={image}
vol_id=0
vol_type=dynamic
vol_name=rootfs
vol_flags=autoresize
"""
_NEEDED = re.compile(r"max_leb_cnt too low \((\d+) needed\)")
_UBI_PAGES = 2
"""Of each erase block, for UBI's headers."""


class TooLarge(DeployError):
    """The tree takes more erase blocks than there are."""

    def __init__(self, blocks: int) -> None:
        super().__init__(f"takes {blocks} erase blocks")
        self.blocks = blocks


@dataclass(frozen=True, slots=True)
class Tree:
    """What a file system is made of: tars, one over the other, and its identity; WORK is an existing folder."""

    tars: tuple[Path, ...]
    identity: uuid.UUID
    epoch: int
    work: Path
    attributes: Sequence[Attribute] = ()
    """The tars' extended ones."""

    @property
    def unpacked(self) -> Path:
        """Where it is unpacked to."""
        return self.work / "tree"

    def run(self, argv: Sequence[str]) -> None:
        """Run a program on the tree, as one sees it that is the same on every machine."""
        run_on(self.unpacked, self.tars, argv, epoch=self.epoch, environment=self._steady())

    def _steady(self) -> Mapping[str, str]:
        source, library, table = resource("image") / "nand" / "steady.c", self.work / "steady.so", self.work / "table"
        run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"], epoch=self.epoch)
        records = ((path.lstrip("/"), name, value.hex()) for path, name, value in self.attributes)
        table.write_bytes("".join(f"{part}\0" for one in records for part in one).encode("utf-8", "surrogateescape"))
        return {
            PRELOAD: str(library),
            "STEADY_TREE": str(self.unpacked),
            "STEADY_ATTRIBUTES": str(table),
            "STEADY_UUID": self.identity.hex,
        }


def jffs2(target: Path, tree: Tree, nand: Nand) -> None:
    """Make TARGET, a JFFS2 with summaries, which firmware and kernel mount fast; its length is in erase blocks."""
    plain = tree.work / "jffs2"
    # The two programs agree on the short names only: little endian, no clean markers.
    shape = ("-l", "-n", "-e", str(nand.erase_block))
    options = (*shape, "--disable-compressor=rtime", "--with-xattr")
    tree.run([program("mkfs.jffs2"), *options, f"--root={tree.unpacked}", f"--output={plain}"])
    run(["sumtool", *shape, "--pad", f"--input={plain}", f"--output={target}"], epoch=tree.epoch)
    plain.unlink()


def ubi(target: Path, tree: Tree, nand: Nand, limit: int) -> None:
    """Make TARGET, a UBI image whose one volume, `rootfs`, is UBIFS and grows to what the chip has.

    Debian's mkfs.ubifs, which is made for SELinux, takes no extended attributes. Raises TooLarge where it is of more
    than LIMIT erase blocks.
    """
    image = tree.work / "ubifs"
    logical = nand.erase_block - _UBI_PAGES * nand.page
    # The firmware writes empty pages as well, and no page of NAND may be written twice: hence --space-fixup, by which
    # the kernel moves such space away at the first mount.
    shape = (f"--min-io-size={nand.page}", f"--leb-size={logical}", f"--max-leb-cnt={limit}", "--space-fixup")
    options = (*shape, "--compr=zlib", "--reserved=4MiB")
    try:
        tree.run([program("mkfs.ubifs"), *options, f"--root={tree.unpacked}", f"--output={image}"])
    except DeployError as error:
        if needed := _NEEDED.search(error.message):
            raise TooLarge(int(needed[1])) from error
        raise
    description = tree.work / "ubi.ini"
    description.write_text(_VOLUME.format(image=image), "utf-8")
    sizes = (f"--peb-size={nand.erase_block}", f"--min-io-size={nand.page}", f"--sub-page-size={nand.page}")
    sequence = f"--image-seq={int(tree.identity.hex[:8], 16)}"
    run(["ubinize", *sizes, sequence, "-o", str(target), str(description)], epoch=tree.epoch)
    image.unlink()
