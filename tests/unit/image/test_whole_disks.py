"""Images of whole sticks, cards and laptops' disks: what the firmware cannot read there, each by its name."""

from __future__ import annotations

import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.image.verification import verified
from sugar_deploy.image.zd.writing import write
from tests.unit.image.bundle_samples import ARM, SIGNED, zipped
from tests.unit.image.test_stick import VECTORS

MIB = 2**20
START = 8192 * 512
LEASE = SIGNED / "lease" / "lease-v1.sig"


def table(kind: int = 0x83, size: int = 16 * MIB, *, active: int = 0x80, start: int = START) -> bytes:
    """A first sector with one partition, by the description of the MBR."""
    entry = struct.pack("<B3xB3xII", active, kind, start // 512, size // 512)
    return bytes(446) + entry + bytes(48) + b"\x55\xaa"


def root(folder: Path) -> Path:
    """A boot partition's content: `boot` is the root itself, an activating bundle is a link to the other one."""
    folder.mkdir()
    (folder / "security").mkdir()
    shutil.copy(LEASE, folder / "security" / "lease.sig")
    (folder / "olpc.fth").write_bytes(b"\\ boots\n")
    (folder / "runos4.zip").write_bytes(zipped({"data.img": ARM}))
    (folder / "actos4.zip").symlink_to("runos4.zip")
    (folder / "boot").symlink_to(".")
    return folder


def ext(folder: Path, features: str = "^resize_inode,^64bit,^metadata_csum", kind: str = "ext2") -> bytes:
    """The file system of a folder."""
    image = folder.with_name("ext")
    argv = [f"/sbin/mkfs.{kind}", "-q", "-F", "-O", features, "-d", folder, image, "16M"]
    subprocess.run(argv, check=True, capture_output=True)
    return image.read_bytes()


def fat(folder: Path, *options: str, size: int = 16 * MIB) -> bytes:
    """The same as FAT; what is no file or folder is left out."""
    image = folder.with_name("fat")
    with image.open("wb") as file:
        file.truncate(size)
    subprocess.run(["/sbin/mkfs.vfat", *options, image], check=True, capture_output=True)
    for path in sorted(folder.rglob("*")):
        if not path.is_symlink():
            target = f"::/{path.relative_to(folder)}"
            copy = ["mmd", "-i", image, target] if path.is_dir() else ["mcopy", "-i", image, path, target]
            subprocess.run(copy, check=True)
    return image.read_bytes()


def disk(folder: Path, content: bytes, sector: bytes | None = None) -> Path:
    image = folder / "card.img"
    image.write_bytes((sector or table(size=len(content))).ljust(START, b"\0") + content)
    return image


def of_stick(folder: Path) -> bytes:
    """A stick's FAT: bundles lie in a real folder `boot`."""
    tree = root(folder / "root")
    (tree / "boot").unlink()
    (tree / "boot").mkdir()
    for name in ("olpc.fth", "runos4.zip"):
        (tree / name).rename(tree / "boot" / name)
    return fat(tree)


def found(image: Path) -> tuple[list[str], list[str]]:
    (report,) = verified(image).values()
    return report.errors, report.warnings


def test_a_laptops_disk_is_read_through_its_links(tmp_path: Path) -> None:
    image = disk(tmp_path, ext(root(tmp_path / "root")))
    (report,) = verified(image).values()
    assert report.errors == []
    assert (report.facts["file system"], report.facts["models"]) == ("ext", "XO-4")


@pytest.mark.parametrize("is_partitioned", [True, False])
def test_a_stick_of_fat_needs_no_partition(is_partitioned: bool, tmp_path: Path) -> None:
    content = of_stick(tmp_path)
    if is_partitioned:
        image = disk(tmp_path, content, table(0x0E))
    else:
        image = tmp_path / "stick.img"
        image.write_bytes(content)
    (report,) = verified(image).values()
    assert (report.errors, report.facts["file system"], report.facts["models"]) == ([], "FAT16", "XO-4")


def changed(name: str, content: bytes) -> Callable[[Path], Path]:
    """A laptop's disk with another file."""

    def make(folder: Path) -> Path:
        tree = root(folder / "root")
        (tree / name).write_bytes(content)
        return disk(folder, ext(tree))

    return make


def plain_ext(folder: Path, sector: bytes | None = None) -> Path:
    return disk(folder, ext(root(folder / "root")), sector)


def empty(folder: Path) -> Path:
    (folder / "root").mkdir()
    return disk(folder, ext(folder / "root"))


def long_name(folder: Path) -> Path:
    tree = root(folder / "root")
    (tree / "sugar-xo-15.zip").write_bytes(b"")
    return disk(folder, fat(tree), table(0x0C))


ERRORS: dict[str, tuple[Callable[[Path], Path], str]] = {
    "a GPT": (lambda folder: plain_ext(folder, table(0xEE, active=0)), "has a GPT"),
    "an unknown type": (lambda folder: plain_ext(folder, table(0x07)), "no partition that the firmware reads"),
    "cut off": (lambda folder: plain_ext(folder, table(size=17 * MIB)), "partition 1 goes beyond its end"),
    "another file system": (lambda folder: disk(folder, bytes(16 * MIB)), "partition 1: is no FAT and no ext2"),
    "FAT12": (
        lambda folder: disk(folder, fat(root(folder / "root"), "-F", "12", "-s", "16"), table(0x01)),
        "is FAT12",
    ),
    "256 sectors": (
        lambda folder: disk(folder, fat(root(folder / "root"), "-F", "16", size=128 * MIB), table(0x0E, 128 * MIB)),
        "FAT16 whose table has 256 sectors",
    ),
    "inline data": (
        lambda folder: disk(folder, ext(root(folder / "root"), "inline_data", "ext4")),
        "inline_data, which hangs the firmware",
    ),
    "nothing": (empty, "has nothing that a laptop's firmware would open"),
    "a lease that is none": (changed("security/lease.sig", b"# a comment\n"), "does not begin with act01"),
    "a script that is none": (changed("olpc.fth", b"boots\n"), "boot/olpc.fth: does not begin with a backslash"),
    "firmware of a wrong length": (
        changed("bootfw4.zip", zipped({"data.img": b"\xff" * 100})),
        "switches itself off at each start",
    ),
    "a plain bundle": (
        changed("runos.zip", zipped({"data.img": ARM})),
        "has no model's number",
    ),
    "a long name": (long_name, "sugar-xo-15.zip: is longer than 8 and 3"),
}


@pytest.mark.parametrize("name", ERRORS)
def test_each_rule_broken_once_is_named(name: str, tmp_path: Path) -> None:
    make, said = ERRORS[name]
    errors, warnings = found(make(tmp_path))
    assert any(said in one for one in (*errors, *warnings)), (errors, warnings)
    assert not [one for one in errors if "/tmp" in one]
    assert errors or name == "a plain bundle"


def test_a_partition_that_the_firmware_cannot_write_is_warned_of(tmp_path: Path) -> None:
    image = disk(tmp_path, ext(root(tmp_path / "root"), "metadata_csum", "ext4"))
    errors, warnings = found(image)
    assert errors == []
    assert [
        one for one in warnings if "cannot write there, for it has 64bit, extent" in one or "metadata_csum" in one
    ]


def test_what_a_zd_brings_is_looked_at_where_the_laptop_starts(tmp_path: Path) -> None:
    for content, refused in ((b"\\ boots\n", False), (b"boots\n", True)):
        folder = tmp_path / str(refused)
        folder.mkdir()
        write(changed("olpc.fth", content)(folder), folder / "laptop.zd", workers=1)
        (report,) = verified(folder / "laptop.zd").values()
        assert report.facts["starts from"] == "partition 1"
        assert ["boot/olpc.fth: does not begin" in one for one in report.errors] == [True] * refused


def test_a_zd_without_such_a_partition_is_not_called_wrong(tmp_path: Path) -> None:
    shutil.copy(VECTORS / "image.zd", tmp_path)
    (report,) = verified(tmp_path / "image.zd").values()
    assert (report.errors, report.warnings) == ([], [])
    assert str(report.facts["starts from"]).startswith("nothing")


def test_an_xo_1s_image_is_still_one(tmp_path: Path) -> None:
    (tmp_path / "os1.img").write_bytes(b"\xff" * 0x20000)
    assert found(tmp_path / "os1.img")[0] == ["os1.crc: Can't open CRC file"]
    # What would be a partition table, but for the mark behind it; and less than one.
    for content in (table()[:510].ljust(0x20000, b"\0"), b"x"):
        (tmp_path / "os1.img").write_bytes(content)
        assert [error for error in found(tmp_path / "os1.img")[0] if "CRC file" in error or "no multiple" in error]
        assert "file system" not in verified(tmp_path / "os1.img")[tmp_path / "os1.img"].facts
    (tmp_path / "os1.txt").touch()
    with pytest.raises(UsageError, match="no kind of image"):
        verified(tmp_path / "os1.txt")
