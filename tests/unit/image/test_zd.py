"""`.zd` and `.zsp`: against the vectors that the historical tools wrote, and a model of the firmware."""

from __future__ import annotations

import errno
import hashlib
import os
import random
import resource
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.image.zd.checking import check_image, check_spec
from sugar_deploy.image.zd.reading import unpack
from sugar_deploy.image.zd.source import Inset
from sugar_deploy.image.zd.writing import write
from tests.unit.image.firmware import Laptop, Refused

VECTORS = Path(__file__).parent / "vectors"
BLOCK = 0x20000
# Of the vectors' disk image, from their description.
IMAGE_SHA256 = "cef7697a4de410885eb1d5751bf502db7d44de4c731a330e0cca307c183280d0"


def disk(path: Path, blocks: int, *, seed: int = 1, tail: int = 0) -> bytes:
    """A disk image: a partition table, zeros, ones, text and noise."""
    chance = random.Random(seed)
    kinds: list[Callable[[], bytes]] = [
        lambda: bytes(BLOCK),
        lambda: b"\xff" * BLOCK,
        lambda: (b"%d children learn. " % chance.randrange(10**6) * BLOCK)[:BLOCK],
        lambda: chance.randbytes(BLOCK),
        lambda: bytes(BLOCK // 2) + chance.randbytes(BLOCK // 2),
    ]
    content = b"".join([chance.randbytes(BLOCK), *(chance.choice(kinds)() for _ in range(blocks - 1))])
    content = content[: len(content) - tail]
    path.write_bytes(content)
    return content


@pytest.mark.parametrize("name", ["image", "sparse"])
def test_the_vectors_unpack_to_the_image_that_they_were_made_of(name: str, tmp_path: Path) -> None:
    report = check_image(VECTORS / f"{name}.zd")
    unpack(VECTORS / f"{name}.zd", tmp_path / "disk.img")
    assert report.ok
    assert report.facts["begins with"] == {"image": "data", "sparse": "an erased partition table"}[name]
    assert report.facts["left out"] == {"image": 0, "sparse": 2}[name]
    assert hashlib.sha256((tmp_path / "disk.img").read_bytes()).hexdigest() == IMAGE_SHA256
    assert check_spec(VECTORS / f"{name}.zsp", VECTORS / f"{name}.zd").errors == []


def test_every_block_lands_where_it_belongs_and_the_partition_table_last(tmp_path: Path) -> None:
    content = disk(tmp_path / "disk.img", 40, tail=1000)
    write(tmp_path / "disk.img", tmp_path / "laptop.zd", workers=2)
    laptop = Laptop(bytearray(b"\x5a" * 40 * BLOCK))
    laptop.signed_update((tmp_path / "laptop.zsp").read_bytes(), (tmp_path / "laptop.zd").read_bytes(), "laptop.zd")
    assert bytes(laptop.storage) == content + b"\xff" * 1000
    assert laptop.order == [0, *range(1, 40), 0]
    assert laptop.warnings == []


def test_an_interrupted_update_leaves_no_partition_table(tmp_path: Path) -> None:
    disk(tmp_path / "disk.img", 6)
    write(tmp_path / "disk.img", tmp_path / "laptop.zd", workers=1)
    data = (tmp_path / "laptop.zd").read_bytes()
    laptop = Laptop(bytearray(b"\x5a" * 6 * BLOCK))
    with pytest.raises(Refused):
        laptop.fs_update(data[: len(data) // 2])
    assert laptop.storage[:BLOCK] == bytes(BLOCK)


def test_what_is_left_out_keeps_the_old_content_and_the_count_is_the_highest_block(tmp_path: Path) -> None:
    content = disk(tmp_path / "disk.img", 12)
    written = write(tmp_path / "disk.img", tmp_path / "laptop.zd", omit={0, 3, 4, 10, 11})
    laptop = Laptop(bytearray(b"\x5a" * 12 * BLOCK))
    laptop.fs_update((tmp_path / "laptop.zd").read_bytes())
    assert laptop.warnings == []
    assert (written.blocks, written.omitted) == (8, 4)
    for index in range(12):
        expected = b"\x5a" * BLOCK if index in {3, 4, 10, 11} else content[index * BLOCK : (index + 1) * BLOCK]
        assert laptop.storage[index * BLOCK : (index + 1) * BLOCK] == expected, index


def test_the_same_image_gives_the_same_bytes_however_many_work_at_it(tmp_path: Path) -> None:
    disk(tmp_path / "disk.img", 70)
    for name, workers in (("one", 1), ("two", 3)):
        (tmp_path / name).mkdir()
        write(tmp_path / "disk.img", tmp_path / name / "laptop.zd", workers=workers)
    for kind in ("zd", "zsp"):
        assert (tmp_path / f"one/laptop.{kind}").read_bytes() == (tmp_path / f"two/laptop.{kind}").read_bytes()


def test_an_earlier_image_serves_as_the_cache_and_changes_no_byte(tmp_path: Path) -> None:
    disk(tmp_path / "disk.img", 30)
    write(tmp_path / "disk.img", tmp_path / "old.zd")
    with (tmp_path / "disk.img").open("r+b") as file:
        file.seek(7 * BLOCK + 5)
        file.write(b"a setting")
    fresh = write(tmp_path / "disk.img", tmp_path / "laptop.zd")
    expected = (tmp_path / "laptop.zd").read_bytes()
    reused = write(tmp_path / "disk.img", tmp_path / "laptop.zd", previous=tmp_path / "old.zd")
    assert (tmp_path / "laptop.zd").read_bytes() == expected
    assert fresh.reused == 0
    assert reused.reused > 10


@pytest.mark.parametrize("start", [0, BLOCK, 3 * BLOCK + 512, 5 * BLOCK - 512])
@pytest.mark.parametrize("length", [512, BLOCK, 2 * BLOCK + 1024])
def test_a_part_in_a_file_of_its_own_is_in_the_image(tmp_path: Path, start: int, length: int) -> None:
    """Wherever it begins and ends; the image's own bytes there are nobody's."""
    content = bytearray(disk(tmp_path / "disk.img", 9, tail=1000))
    inset = random.Random(2).randbytes(length)
    (tmp_path / "inset.img").write_bytes(inset)
    write(tmp_path / "disk.img", tmp_path / "a.zd", inset=Inset(tmp_path / "inset.img", start))
    content[start : start + length] = inset
    unpack(tmp_path / "a.zd", tmp_path / "found.img")
    assert (tmp_path / "found.img").read_bytes()[: len(content)] == content


def test_a_damaged_earlier_image_costs_time_not_truth(tmp_path: Path) -> None:
    disk(tmp_path / "disk.img", 30)
    write(tmp_path / "disk.img", tmp_path / "old.zd")
    expected = (tmp_path / "old.zd").read_bytes()
    damaged = bytearray(expected)
    for at in range(5000, len(damaged), 40000):
        damaged[at] ^= 0x10
    (tmp_path / "old.zd").write_bytes(damaged)
    write(tmp_path / "disk.img", tmp_path / "old.zd", previous=tmp_path / "old.zd")
    assert (tmp_path / "old.zd").read_bytes() == expected


def test_deflated_no_larger_than_zlib_at_level_six(tmp_path: Path) -> None:
    # A disk of this machine's own programs, as a laptop's is.
    program = Path(sys.executable).resolve().read_bytes()
    (tmp_path / "disk.img").write_bytes((program * (8 * BLOCK // len(program) + 1))[: 64 * BLOCK])
    content = (tmp_path / "disk.img").read_bytes()
    written = write(tmp_path / "disk.img", tmp_path / "laptop.zd")
    straight = sum(len(zlib.compress(content[at : at + BLOCK], 6)) for at in range(0, len(content), BLOCK))
    assert written.size <= straight + 120 * (written.blocks + 3)


def test_what_is_written_of_the_vectors_image_has_the_same_blocks(tmp_path: Path) -> None:
    """The historical tools' lines but for the deflated lengths, and but for block 0, which is wiped first."""
    unpack(VECTORS / "image.zd", tmp_path / "disk.img")
    write(tmp_path / "disk.img", tmp_path / "image.zd")
    lines = [line.split() for line in (tmp_path / "image.zsp").read_bytes().splitlines()]
    theirs = (VECTORS / "image.zsp").read_bytes().splitlines()
    theirs = theirs[theirs.index(b"data: image.zd") :]
    assert [*lines[:2], *lines[3:]] == [
        [*line.split()[:2], ours[2], *line.split()[3:]] if line.startswith(b"zblock: ") else line.split()
        for line, ours in zip(theirs, [*lines[:2], *lines[3:]], strict=True)
    ]
    assert lines[2][:2] == [b"zblock:", b"0"]


def test_an_empty_image_is_refused(tmp_path: Path) -> None:
    (tmp_path / "disk.img").touch()
    with pytest.raises(UsageError, match="empty"):
        write(tmp_path / "disk.img", tmp_path / "laptop.zd")
    assert [path.name for path in tmp_path.iterdir()] == ["disk.img"]


def test_a_file_size_limit_reached_leaves_the_old_image(tmp_path: Path) -> None:
    disk(tmp_path / "disk.img", 20, seed=3)
    (tmp_path / "laptop.zd").write_bytes(b"the old one")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, limits[1]))
    try:
        with pytest.raises(OSError) as caught:
            write(tmp_path / "disk.img", tmp_path / "laptop.zd", workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, before)
    assert caught.value.errno == errno.EFBIG
    assert (tmp_path / "laptop.zd").read_bytes() == b"the old one"
    assert {path.name for path in tmp_path.iterdir()} == {"disk.img", "laptop.zd"}


def test_killed_while_it_writes_the_next_run_gives_the_same_image(tmp_path: Path) -> None:
    disk(tmp_path / "disk.img", 300, seed=4)
    write(tmp_path / "disk.img", tmp_path / "expected.zd", workers=1)
    argv = [sys.executable, "-m", "sugar_deploy", "image", "pack", "disk.img", "laptop.zd", "--workers", "2"]
    process = subprocess.Popen(argv, cwd=tmp_path, start_new_session=True)
    deadline = time.monotonic() + 30
    while not (tmp_path / "laptop.zd.partial").exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (tmp_path / "laptop.zd").exists()
    subprocess.run(argv, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL)
    assert (tmp_path / "laptop.zd").read_bytes() == (tmp_path / "expected.zd").read_bytes()
    assert not (tmp_path / "laptop.zd.partial").exists()
