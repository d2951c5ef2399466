"""What may be written onto a stick: images of whole disks, and what their .bmap leaves of them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.image.flash.source import CHUNK, read_source

TABLE = bytes(446) + bytes([0x80]) + bytes(63) + b"\x55\xaa"
BLOCK = 4096


def described(image: Path, *ranges: str, size: int | None = None) -> Path:
    """The .bmap of an image as bmaptool's own documentation says that it has to be."""
    content = image.read_bytes()
    rows = ""
    for one in ranges:
        first, _, last = one.partition("-")
        part = content[int(first) * BLOCK : (int(last or first) + 1) * BLOCK]
        rows += f'<Range chksum="{hashlib.sha256(part).hexdigest()}"> {one} </Range>'
    text = f"""<?xml version="1.0" ?><bmap version="2.0"><ImageSize> {size or len(content)} </ImageSize>
<BlockSize> {BLOCK} </BlockSize><BlocksCount> 9 </BlocksCount><MappedBlocksCount> 9 </MappedBlocksCount>
<ChecksumType> sha256 </ChecksumType><BmapFileChecksum> {"0" * 64} </BmapFileChecksum>
<BlockMap>{rows}</BlockMap></bmap>"""
    file = image.with_name(f"{image.name}.bmap")
    file.write_text(text.replace("0" * 64, hashlib.sha256(text.encode()).hexdigest()))
    return file


@pytest.fixture
def image(tmp_path: Path) -> Path:
    file = tmp_path / "stick.img"
    file.write_bytes(TABLE + bytes(range(256)) * (2 * CHUNK // 256) + bytes(512))
    return file


def test_without_a_map_all_is_written(image: Path) -> None:
    source = read_source(image)
    assert source.to_write == source.size == 2 * CHUNK + 1024
    assert list(source.pieces()) == [(0, CHUNK), (CHUNK, CHUNK), (2 * CHUNK, 1024)]


def test_with_a_map_only_what_it_names(image: Path) -> None:
    described(image, "0-1", "5", f"{2 * CHUNK // BLOCK}")
    source = read_source(image)
    assert list(source.pieces()) == [(0, 2 * BLOCK), (5 * BLOCK, BLOCK), (2 * CHUNK, 1024)]
    assert source.to_write == 3 * BLOCK + 1024


@pytest.mark.parametrize(
    ("ranges", "fault"),
    [
        ((), "does not begin with the partition table"),
        (("1-2",), "does not begin with the partition table"),
        (("0-2", "2-3"), "out of order"),
        (("0", "9999999"), "outside of the image"),
    ],
)
def test_maps_that_are_none(image: Path, ranges: tuple[str, ...], fault: str) -> None:
    described(image, *ranges)
    with pytest.raises(UsageError, match=fault):
        read_source(image)


GROWING = "<!DOCTYPE x [<!ENTITY a0 'lol'>{}]>".format(
    "".join(f"<!ENTITY a{number} '{f'&a{number - 1};' * 10}'>" for number in range(1, 10))
)


@pytest.mark.parametrize(
    ("declared", "entity"), [(GROWING, "&a9;"), ("<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/hostname'>]>", "&a;")]
)
def test_a_map_that_would_fill_the_memory_or_read_other_files(image: Path, declared: str, entity: str) -> None:
    image.with_name(f"{image.name}.bmap").write_text(f"{declared}<bmap>{entity}</bmap>")
    with pytest.raises(UsageError, match="is no XML"):
        read_source(image)


def test_a_map_of_another_image(image: Path) -> None:
    described(image, "0-3", size=4096)
    with pytest.raises(UsageError, match="describes an image of 4096 bytes"):
        read_source(image)
    file = described(image, "0-3")
    file.write_text(file.read_text().replace(" 0-3 ", " 0-2 "))
    with pytest.raises(UsageError, match="its own checksum is wrong"):
        read_source(image)
    file.write_text("<bmap")
    with pytest.raises(UsageError, match="is no XML"):
        read_source(image)
    described(image, "0-3")
    image.write_bytes(image.read_bytes().replace(b"\x01\x02\x03", b"\x01\x09\x03"))
    with pytest.raises(UsageError, match=r"is not the image that stick\.img\.bmap describes"):
        read_source(image)


@pytest.mark.parametrize("content", [b"", b"act01: ", bytes(446) + bytes(64) + b"\x55\xaa", TABLE[:-2] + b"\0\0"])
def test_what_is_no_image_of_a_disk(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "lease.img").write_bytes(content)
    with pytest.raises(UsageError, match="no image of a whole disk"):
        read_source(tmp_path / "lease.img")


def test_what_a_laptop_unpacks_itself(tmp_path: Path) -> None:
    (tmp_path / "32010o1.zd").write_bytes(TABLE)
    with pytest.raises(UsageError, match="is for a laptop's firmware"):
        read_source(tmp_path / "32010o1.zd")
