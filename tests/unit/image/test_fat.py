"""A stick's image: read as the firmware reads it, found sound by fsck.fat, the same whenever it is made."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.image import fat
from tests.unit.image.fat_reader import Volume

MIB = 2**20
FILES = {"lease.sig": b"one\n", "security/lease.sig": b"another\n" * 1000, "boot/empty.fth": b""}


def sound(image: Path, tmp_path: Path) -> bool:
    """Whether fsck.fat finds nothing to say about the partition."""
    part = tmp_path / "partition"
    part.write_bytes(image.read_bytes()[MIB:])
    return subprocess.run(["/usr/sbin/fsck.fat", "-n", part], capture_output=True).returncode == 0


@pytest.mark.parametrize("size", [0, 14 * MIB, 15 * MIB])
def test_what_is_written_is_read(tmp_path: Path, size: int) -> None:
    files = FILES | {"large.img": bytes(range(256)) * (size // 256)}
    fat.write_image(files, tmp_path / "stick.img", "LEASES")
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


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    fat.write_image(FILES, tmp_path / "one.img", "LEASES")
    fat.write_image(dict(reversed(FILES.items())), tmp_path / "two.img", "LEASES")
    assert (tmp_path / "one.img").read_bytes() == (tmp_path / "two.img").read_bytes()
    fat.write_image(FILES | {"lease.sig": b"two\n"}, tmp_path / "two.img", "LEASES")
    one, two = ((tmp_path / name).read_bytes() for name in ("one.img", "two.img"))
    assert one[440:444] != two[440:444], "other sticks, other numbers"


@pytest.mark.parametrize("name", ["develop12.sig", "lease.sign", "a.b.c", "LEASE.SIG", "security//x", "a b", ""])
def test_names_that_the_firmware_does_not_see(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no such name on FAT"):
        fat.write_image({name: b""}, tmp_path / "stick.img", "LEASES")
    assert list(tmp_path.iterdir()) == []


def test_a_failure_leaves_the_former_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "stick.img"
    fat.write_image(FILES, out, "LEASES")
    before = out.read_bytes()
    monkeypatch.setattr(fat, "form_for", lambda _: fat.Form(16, 4, 16))
    with pytest.raises(DeployError, match="mcopy failed"):
        fat.write_image({"lease.sig": bytes(20 * MIB)}, out, "LEASES")
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["stick.img"]


def test_bmaptool_writes_the_stick_by_its_map(tmp_path: Path) -> None:
    image, device = tmp_path / "stick.img", tmp_path / "device"
    fat.write_image(FILES, image, "LEASES")
    assert fat.write_block_map(image) == tmp_path / "stick.img.bmap"
    argv = ["bmaptool", "-q", "copy", "--bmap", tmp_path / "stick.img.bmap", image, device]
    device.write_bytes(b"\xff" * len(image.read_bytes()))
    subprocess.run(argv, check=True)
    assert Volume(device.read_bytes()).files() == Volume(image.read_bytes()).files()
    assert sound(device, tmp_path), "nothing that has to be zero was left out"
    image.write_bytes(image.read_bytes().replace(b"another", b"changed"))
    assert subprocess.run(argv, capture_output=True).returncode != 0
