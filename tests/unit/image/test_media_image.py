"""A stick's image: read as the firmware reads it, found sound by fsck.fat, the same whenever it is made."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.image.flash.source import read_source
from sugar_deploy.image.media import fat
from sugar_deploy.image.media.image import imaged
from tests.unit.image.fat_reader import Volume

MIB = 2**20
FILES = {"lease.sig": b"one\n", "security/lease.sig": b"another\n" * 1000, "boot/empty.fth": b""}


def write(files: Mapping[str, bytes], out: Path) -> None:
    with imaged(out, label="LEASES") as root:
        for name, content in files.items():
            (root / name).parent.mkdir(exist_ok=True)
            (root / name).write_bytes(content)


def sound(image: Path, tmp_path: Path) -> bool:
    """Whether fsck.fat finds nothing to say about the partition."""
    part = tmp_path / "partition"
    part.write_bytes(image.read_bytes()[MIB:])
    return subprocess.run(["/usr/sbin/fsck.fat", "-n", part], capture_output=True).returncode == 0


@pytest.mark.parametrize("size", [0, 14 * MIB, 15 * MIB])
def test_what_is_written_is_read(tmp_path: Path, size: int) -> None:
    files = FILES | {"large.img": bytes(range(256)) * (size // 256)}
    write(files, tmp_path / "stick.img")
    volume = Volume((tmp_path / "stick.img").read_bytes())
    assert volume.files() == {name.upper(): content for name, content in files.items()}
    assert volume.is_32 == (size > 14 * MIB)
    assert sound(tmp_path / "stick.img", tmp_path)
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("mib", [1, 14, 15, 60, 126, 245, 255, 400, 1900])
def test_a_size_that_fits(mib: int) -> None:
    form = fat.form_for({"lease.sig": mib * MIB // 2, "security/lease.sig": mib * MIB // 2})
    cluster = form.cluster_sectors * 512
    clusters = form.mib * MIB // cluster
    tables = 2 * clusters * form.bits // 8
    assert mib * MIB + tables + 4 * cluster < form.mib * MIB
    assert form.mib <= max(40, 264 if form.cluster_sectors == 8 else 0, 1.02 * mib + 3)
    assert (4085 <= clusters < 65525) == (form.bits == 16)


def test_many_small_files_with_long_names_fit() -> None:
    many = {f"xs-activity-server/{'a-long-name-' * 8}{number}.info": 1 for number in range(200_000)}
    form = fat.form_for(many)
    entries = sum(32 * (1 + -(-len(name.partition("/")[2]) // 13)) for name in many)
    assert form.mib * MIB > len(many) * form.cluster_sectors * 512 + entries


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    write(FILES, tmp_path / "one.img")
    write(dict(reversed(FILES.items())), tmp_path / "two.img")
    for ending in ("", ".bmap"):
        assert (tmp_path / f"one.img{ending}").read_bytes() == (tmp_path / f"two.img{ending}").read_bytes()
    write(FILES | {"lease.sig": b"two\n"}, tmp_path / "two.img")
    one, two = ((tmp_path / name).read_bytes() for name in ("one.img", "two.img"))
    assert one[440:444] != two[440:444], "other sticks, other numbers"


@pytest.mark.parametrize("name", ["a?b", "a:b", ".hidden", "ends.", "ends ", "ñandú", "~", "a\nb"])
def test_names_that_not_every_fat_holds(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="not every FAT holds such a name"):
        write({name: b""}, tmp_path / "stick.img")
    assert list(tmp_path.iterdir()) == []


def test_two_names_that_are_one_on_fat(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Chess-1\.xo and CHESS-1\.xo|CHESS-1\.xo and Chess-1\.xo"):
        write({"Chess-1.xo": b"", "CHESS-1.xo": b""}, tmp_path / "stick.img")


def test_what_fat_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"large\.bin: is over 4 GiB"), imaged(tmp_path / "stick.img") as root:
        (root / "large.bin").touch()
        os.truncate(root / "large.bin", 2**32)


def test_a_failure_leaves_the_former_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "stick.img"
    write(FILES, out)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    monkeypatch.setattr(fat, "form_for", lambda _: fat.Form(16, 4, 16))
    with pytest.raises(DeployError, match=r"mcopy.* failed"):
        write({"lease.sig": bytes(20 * MIB)}, out)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_bmaptool_writes_the_stick_by_its_map(tmp_path: Path) -> None:
    image, device = tmp_path / "stick.img", tmp_path / "device"
    write(FILES, image)
    argv = ["bmaptool", "-q", "copy", "--bmap", tmp_path / "stick.img.bmap", image, device]
    device.write_bytes(b"\xff" * len(image.read_bytes()))
    subprocess.run(argv, check=True)
    assert Volume(device.read_bytes()).files() == Volume(image.read_bytes()).files()
    assert sound(device, tmp_path), "nothing that has to be zero was left out"
    image.write_bytes(image.read_bytes().replace(b"another", b"changed"))
    assert subprocess.run(argv, capture_output=True).returncode != 0


def test_the_map_of_bmaptool_is_read_as_ours_is(tmp_path: Path) -> None:
    image, device = tmp_path / "stick.img", tmp_path / "device"
    write(FILES, image)
    subprocess.run(["bmaptool", "-q", "create", image, "-o", tmp_path / "stick.img.bmap"], check=True)
    source = read_source(image)
    assert 0 < source.to_write < source.size
    content = bytearray(source.size)
    for one in source.ranges:
        content[one.start : one.end] = image.read_bytes()[one.start : one.end]
    device.write_bytes(content)
    assert Volume(device.read_bytes()).files() == Volume(image.read_bytes()).files()
