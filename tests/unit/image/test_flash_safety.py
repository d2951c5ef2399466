"""Which devices are overwritten: lsblk's descriptions of them in lsblk/, in the form that it documents."""

from __future__ import annotations

from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.image.flash.devices import Device, look, read
from sugar_deploy.image.flash.safety import require_safe

CASES = Path(__file__).parent / "lsblk"
MIB = 2**20
FINE = {
    "stick": "SanDisk Ultra 15.4 GB",
    "stick-without-partitions": "SanDisk Ultra 15.4 GB",
    "luks-closed": "SanDisk Ultra 15.4 GB",
    "usb-disk-of-60gb": "ATA OCZ-VERTEX3 60.0 GB",
    "sd-card": "SC08G 7.9 GB",
}
REFUSED = {
    "emmc": "is storage that is soldered in",
    "usb-disk": "2000.4 GB is more than 68.7 GB: if that is right, say --largest",
    "mounted": "/dev/sdb1 is mounted at /media/child/SUGAR, /run/shared: unmount it first",
    "mounted-whole": "it is mounted at /mnt",
    "system-on-nvme": "/dev/mapper/vg-root is in use by this system, at /",
    "system-on-stick": "/dev/sdb1 is in use by this system, at /",
    "swapped-to": r"/dev/sdb1 is in use by this system, at \[SWAP\]",
    "swap-unused": "/dev/sdb2 holds swap; if nobody needs it: wipefs --all /dev/sdb2",
    "lvm": "/dev/sdb1 holds LVM2_member",
    "lvm-active": r"/dev/mapper/data-films \(lvm\) is made of it",
    "raid-stopped": "it holds linux_raid_member",
    "raid-running": r"/dev/md0 \(raid1\) is made of it",
    "zfs": "/dev/sdb1 holds zfs_member",
    "luks-open": r"/dev/mapper/luks-4f1c \(crypt\) is made of it",
    "write-protected": "is write-protected",
    "empty-reader": "there is no medium in it",
    "partition": "is not a disk but what lsblk calls part: the whole device is /dev/sdb",
    "disk-on-sata": r"ATA INTEL SSDSA2VP032G3 is neither removable nor on USB \(sata\)",
    "loop": "is not a disk but what lsblk calls loop",
    "dvd": "is not a disk but what lsblk calls rom",
}


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """What the kernel says of the slot for cards."""
    slot = tmp_path / "block" / "mmcblk0" / "device"
    slot.mkdir(parents=True)
    (slot / "name").write_text("SC08G\n")
    (slot / "type").write_text("SD\n")
    return tmp_path


def device(name: str, system: Path) -> Device:
    if name == "emmc":
        (system / "block/mmcblk0/device/type").write_text("MMC\n")
    return read((CASES / f"{name}.json").read_text(), system)


def test_every_description_is_tried() -> None:
    assert {file.stem for file in CASES.glob("*.json")} == {*FINE, *REFUSED, "sectors-of-4096"}


@pytest.mark.parametrize("name", FINE)
def test_sticks_and_cards_are_overwritten(name: str, system: Path) -> None:
    found = device(name, system)
    require_safe(found, 40 * MIB)
    assert found.word == FINE[name]


@pytest.mark.parametrize("name", REFUSED)
def test_nothing_else_is(name: str, system: Path) -> None:
    with pytest.raises(UsageError, match=REFUSED[name]):
        require_safe(device(name, system), 40 * MIB)


def test_the_image_has_to_fit(system: Path) -> None:
    stick = device("stick", system)
    require_safe(stick, stick.size)
    with pytest.raises(UsageError, match=f"has {stick.size} bytes, and the image takes {stick.size + 512}"):
        require_safe(stick, stick.size + 512)
    with pytest.raises(UsageError, match="no multiple"):
        require_safe(device("sectors-of-4096", system), 40 * MIB + 512)


def test_a_large_disk_on_purpose(system: Path) -> None:
    disk = device("usb-disk", system)
    require_safe(disk, 40 * MIB, disk.size)
    with pytest.raises(UsageError, match=r"more than 2000\.4 GB"):
        require_safe(disk, 40 * MIB, disk.size - 1)


def test_the_size_is_not_talked_about_where_something_else_is_wrong(system: Path) -> None:
    with pytest.raises(UsageError) as refused:
        require_safe(device("system-on-nvme", system), 40 * MIB)
    assert "--largest" not in str(refused.value)
    assert "at /boot/efi" in str(refused.value), "every reason is told"


@pytest.mark.parametrize("path", ["missing", "file"])
def test_what_is_no_device(path: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"No such file|is no block device"):
        look(tmp_path / path)
