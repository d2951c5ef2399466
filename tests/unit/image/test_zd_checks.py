"""What breaks the firmware's rules for `.zd` and `.zsp`, each rule by itself, and what it takes all the same."""

from __future__ import annotations

import hashlib
import random
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.image.zd import checking
from sugar_deploy.image.zd.checking import Sound, check_image, check_spec
from sugar_deploy.image.zd.reading import BrokenImage, Chunk, chunks, expanded, header, unpack
from sugar_deploy.image.zd.writing import write
from tests.unit.image.firmware import Laptop, Refused
from tests.unit.image.test_zd import BLOCK, IMAGE_SHA256, VECTORS


def mutated(change: Callable[[bytes], bytes], tmp_path: Path) -> Path:
    path = tmp_path / "image.zd"
    path.write_bytes(change((VECTORS / "image.zd").read_bytes()))
    return path


REFUSED = {
    "no header": (lambda data: data[data.index(b"\n") + 1 :], "first line"),
    "carriage return in the header": (lambda data: data.replace(b" 8\n", b" 8\r\n", 1), "first line"),
    "no number": (lambda data: data.replace(b"zblock: 1 95", b"zblock: 1 9g", 1), "no `zblock"),
    "two spaces": (lambda data: data.replace(b"zblock: 1 95", b"zblock: 1  95", 1), "no `zblock"),
    "another word": (lambda data: data.replace(b"zblock: 1 ", b"zbrick: 1 ", 1), "no `zblock"),
    "odd digest": (lambda data: data.replace(b"e471\n", b"e47\n", 1), "no `zblock"),
    "digest": (lambda data: data.replace(b"e471\n", b"e472\n", 1), "block 1: Bad hash"),
    "hash name in capitals": (lambda data: data.replace(b"1 95 sha256", b"1 95 SHA256", 1), "SHA256"),
    "unknown hash": (lambda data: data.replace(b"1 95 sha256", b"1 95 sha512", 1), "sha512"),
    "length too short": (lambda data: data.replace(b"zblock: 1 95", b"zblock: 1 94", 1), "Missing newline"),
    "length too long": (lambda data: data.replace(b"zblock: 1 95", b"zblock: 1 96", 1), "Missing newline"),
    "absurd length": (lambda data: data.replace(b"zblock: 1 95", b"zblock: 1 ffffffff", 1), "Short read"),
    "truncated": (lambda data: data[: len(data) // 2], "Short read"),
    "no end": (lambda data: data[: data.rindex(b"zblocks-end:")], "ends without"),
    "raw deflate": (lambda data: re.sub(rb"(zblock: 1 )95( .{71}\n)..", rb"\g<1>93\2", data, count=1), "block 1"),
    "block size of no sectors": (lambda data: data.replace(b"20000 8", b"20001 8", 1), "no multiple"),
    "no block size": (lambda data: data.replace(b"20000 8", b"0 8", 1), "no multiple"),
    "block size without room": (lambda data: data.replace(b"20000 8", b"180200 8", 1), "no room"),
    "beyond the count": (lambda data: data.replace(b"20000 8", b"20000 7", 1), "beyond"),
    "a line of 1024": (lambda data: data.replace(b"zblock: 1 ", b"zblock: 1" + b" " * 1000, 1), "1024 characters"),
    "another size": (lambda data: sized(data, -1), "Inconsistent size"),
    "a size of no number": (lambda data: sized(data).replace(b"size: ", b"size: x", 1), "no `zblock"),
    "a block that does not inflate": (
        lambda data: replaced(data, b"\x78\x9c\xff\xff\xff"),
        "block 1: does not inflate",
    ),
    "an expanded length": (
        lambda data: replaced(data, zlib.compress(bytes(BLOCK - 1))),
        "Wrong expanded data length",
    ),
    "a longer expanded length": (lambda data: replaced(data, zlib.compress(bytes(BLOCK + 1))), "Wrong expanded"),
    "a preset dictionary": (lambda data: replaced(data, with_dictionary(bytes(BLOCK))), "block 1: "),
    "no data": (lambda data: replaced(data, b""), "Wrong expanded data length"),
}


def sized(data: bytes, wrong: int = 0, *, last: bool = False) -> bytes:
    """With a line behind the header, or before the end, that tells the file's size in hexadecimal."""
    line = b"size: %x\n" % (len(data) + len(b"size: 12345\n") + wrong)
    at = data.rindex(b"zblocks-end:") if last else data.index(b"\n") + 1
    return data[:at] + line + data[at:]


def replaced(data: bytes, deflated: bytes, hash_name: str = "", plain: bytes = bytes(BLOCK)) -> bytes:
    """With other data in block 1, which is of zeros, and another hash of it."""
    if hash_name:
        digest = hashlib.new({"rmd160": "ripemd160"}.get(hash_name, hash_name), plain).hexdigest()
    else:
        hash_name, digest = "sha256", "fa43239bcee7b97ca62f007cc68487560a39e19f74f3dde7486db3f98df8e471"
    line = f"zblock: 1 {len(deflated):x} {hash_name} {digest}\n".encode()
    return re.sub(rb"zblock: 1 95 .{71}\n.{149}", lambda _: line + deflated, data, count=1, flags=re.DOTALL)


def end_again(data: bytes) -> bytes:
    """Block 1 once more, before the last line."""
    start = data.index(b"zblock: 1 ")
    return data[start : data.index(b"zblock: 2 ")] + b"zblocks-end:"


def with_dictionary(plain: bytes) -> bytes:
    deflater = zlib.compressobj(zdict=b"children")
    return deflater.compress(plain) + deflater.flush()


@pytest.mark.parametrize("name", REFUSED)
def test_each_rule_broken_once_is_named(name: str, tmp_path: Path) -> None:
    change, said = REFUSED[name]
    path = mutated(change, tmp_path)
    assert path.read_bytes() != (VECTORS / "image.zd").read_bytes()
    report = check_image(path)
    assert any(said in error for error in report.errors), report.errors
    sound = Sound()
    sound.learn(VECTORS / "image.zd")
    assert check_image(path, sound).errors == report.errors


def test_blocks_that_were_checked_are_not_inflated_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inflated: list[int] = []

    def counted(chunk: Chunk, block_size: int, name: str) -> bytes:
        inflated.append(chunk.line.index)
        return expanded(chunk, block_size, name)

    monkeypatch.setattr(checking, "expanded", counted)
    sound, image = Sound(), tmp_path / "image.zd"
    content = bytearray(b"".join(bytes([number]) * BLOCK for number in range(1, 9)))
    (tmp_path / "disk.img").write_bytes(content)
    write(tmp_path / "disk.img", image)
    assert check_image(image, sound).ok
    assert set(inflated) == set(range(8))
    inflated.clear()
    content[3 * BLOCK] ^= 1
    (tmp_path / "disk.img").write_bytes(content)
    write(tmp_path / "disk.img", image)
    assert check_image(image, sound).ok
    # Whether the laptop's partition table is erased first is asked each time.
    assert set(inflated) == {0, 3}


TAKEN: dict[str, Callable[[bytes], bytes]] = {
    "its size": sized,
    "its size, last": lambda data: sized(data, last=True),
    "a fifth field": lambda data: data.replace(b"e471\n", b"e471 0badcafe\n", 1),
    "numbers in capitals": lambda data: data.replace(
        b"zblock: 6 95 sha256 fa43239b", b"zblock: 06 95 sha256 FA43239B", 1
    ),
    "no Adler-32": lambda data: replaced(data, zlib.compress(bytes(BLOCK))[:-4] + b"\0\0\0\0"),
    "another level": lambda data: replaced(data, zlib.compress(bytes(BLOCK), 9)),
    "bytes behind the stream": lambda data: replaced(data, zlib.compress(bytes(BLOCK)) + b"more"),
    "sha1": lambda data: replaced(data, zlib.compress(bytes(BLOCK)), "sha1"),
    "md5": lambda data: replaced(data, zlib.compress(bytes(BLOCK)), "md5"),
    "rmd160": lambda data: replaced(data, zlib.compress(bytes(BLOCK)), "rmd160"),
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_the_firmware_takes_is_not_refused(name: str, tmp_path: Path) -> None:
    path = mutated(TAKEN[name], tmp_path)
    data = path.read_bytes()
    assert data != (VECTORS / "image.zd").read_bytes()
    laptop = Laptop(bytearray(8 * BLOCK))
    laptop.fs_update(data)
    assert hashlib.sha256(laptop.storage).hexdigest() == IMAGE_SHA256
    assert (check_image(path).errors, check_image(path).warnings) == ([], [])


def test_a_line_that_tells_the_size_belongs_into_the_specification(tmp_path: Path) -> None:
    path = mutated(sized, tmp_path)
    spec = path.with_suffix(".zsp")
    shutil.copy(VECTORS / "image.zsp", spec)
    assert ["Spec line mismatch" in error for error in check_spec(spec, path).errors] == [True]
    line = path.read_bytes().split(b"\n")[1] + b"\n"
    spec.write_bytes(spec.read_bytes().replace(b"zblocks: 20000 8\n", b"zblocks: 20000 8\n" + line))
    assert check_spec(spec, path).errors == []
    Laptop(bytearray(8 * BLOCK)).signed_update(spec.read_bytes(), path.read_bytes(), "image.zd")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data + b"junk", "not read"),
        (lambda data: data.replace(b"zblocks-end:", end_again(data)), "block 0 is not the last one"),
        (lambda data: data.replace(b"zblocks-end:", end_again(data)), "block 1 is written 2 times"),
        (lambda data: data.replace(b"20000 8", b"20000 9", 1), "highest block"),
        (lambda data: data.replace(b"zblock: 0 ", b"zblock: 6 ", 1), "block 0 is not written"),
    ],
)
def test_what_the_firmware_only_warns_of_is_a_warning(
    change: Callable[[bytes], bytes], said: str, tmp_path: Path
) -> None:
    report = check_image(mutated(change, tmp_path))
    assert report.ok
    assert any(said in warning for warning in report.warnings), report.warnings


def test_no_flipped_bit_is_taken_where_it_changes_what_is_written(tmp_path: Path) -> None:
    data = (VECTORS / "image.zd").read_bytes()
    good = Laptop(bytearray(8 * BLOCK))
    good.fs_update(data)
    chance = random.Random(7)
    for _ in range(150):
        at, bit = chance.randrange(len(data)), 1 << chance.randrange(8)
        damaged = data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
        path = mutated(lambda _, damaged=damaged: damaged, tmp_path)
        laptop = Laptop(bytearray(8 * BLOCK))
        try:
            laptop.fs_update(damaged)
            same = laptop.storage == good.storage
        except (Refused, IndexError):
            same = False
        assert same or not check_image(path).ok, f"bit {bit} of byte {at}"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda spec: spec.replace(b"data: image.zd", b"data: other.zd"), "names other.zd"),
        (lambda spec: spec.replace(b"zblock: 2 ", b"zblock: 3 ", 1), "mismatch"),
        (lambda spec: spec.replace(b"sha256 fa43", b"sha256 FA43", 1), "mismatch"),
        (lambda spec: spec[: spec.rindex(b"zblock: ")], "mismatch"),
        (lambda spec: b"".join(line for line in spec.splitlines(True) if b"data:" not in line), "no line"),
        (lambda spec: spec.replace(b"data: image.zd", b"data: " + b"i" * 130 + b".zd"), "too long"),
        (lambda spec: spec.replace(b"data: image.zd\n", b"data: image.zd\r\n"), "ends in CR"),
        (lambda spec: b"\\\n" * (6 << 20) + spec, "not under 12 MiB"),
    ],
)
def test_a_specification_that_does_not_match_is_told_with_its_line(
    change: Callable[[bytes], bytes], said: str, tmp_path: Path
) -> None:
    spec = tmp_path / "image.zsp"
    spec.write_bytes(change((VECTORS / "image.zsp").read_bytes()))
    report = check_spec(spec, VECTORS / "image.zd")
    assert any(said in error for error in report.errors), report.errors


def test_smaller_blocks_than_usual_are_warned_of(tmp_path: Path) -> None:
    block = b"\x5a" * 512
    line = f"zblock: 0 {len(zlib.compress(block)):x} sha256 {hashlib.sha256(block).hexdigest()}\n".encode()
    (tmp_path / "image.zd").write_bytes(b"zblocks: 200 1\n" + line + zlib.compress(block) + b"\nzblocks-end:\n")
    report = check_image(tmp_path / "image.zd")
    assert (report.errors, ["not 0x20000" in warning for warning in report.warnings]) == ([], [True])


@pytest.mark.parametrize("damage", ["cut off", "no newline"])
def test_blocks_that_are_stepped_over_are_whole(tmp_path: Path, damage: str) -> None:
    """As where only the lines are compared: the firmware's words are the same."""
    data = (VECTORS / "image.zd").read_bytes()
    if damage == "cut off":
        data = data[:-3000]
    else:
        at = data.index(b"\nzblock: 2 ")
        data = data[:at] + b"\r" + data[at + 1 :]
    (tmp_path / "a.zd").write_bytes(data)
    told = []
    for before in (None, 0):
        with (tmp_path / "a.zd").open("rb") as file, pytest.raises(BrokenImage) as broken:
            header(file, "a.zd")
            list(chunks(file, "a.zd", before))
        told.append(broken.value.message)
    assert told[0] == told[1]


def test_a_file_that_was_written_to_is_read_again(tmp_path: Path) -> None:
    shutil.copy(VECTORS / "image.zd", tmp_path / "a.zd")
    sound = Sound()
    assert check_image(tmp_path / "a.zd", sound).ok
    before = sound.sha256(tmp_path / "a.zd")
    (tmp_path / "b.zd").symlink_to("a.zd")
    assert (sound.sha256(tmp_path / "b.zd"), check_image(tmp_path / "b.zd", sound).ok) == (before, True)
    content = bytearray((tmp_path / "a.zd").read_bytes())
    content[-5000] ^= 1
    (tmp_path / "a.zd").write_bytes(content)
    assert not check_image(tmp_path / "a.zd", sound).ok
    assert sound.sha256(tmp_path / "b.zd") == hashlib.sha256(content).hexdigest()


def test_a_broken_image_is_not_unpacked(tmp_path: Path) -> None:
    path = mutated(lambda data: data.replace(b"e471\n", b"e472\n", 1), tmp_path)
    with pytest.raises(BrokenImage, match="block 1: Bad hash"):
        unpack(path, tmp_path / "disk.img")
