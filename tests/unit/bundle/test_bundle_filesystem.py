"""What sticks can hold: names, sizes, rounding."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sugar_deploy.bundle import filesystem as module
from sugar_deploy.bundle.filesystem import (
    GIB,
    KIB,
    MIB,
    Filesystem,
    cluster_of,
    detect,
    fitted,
    refuse_names,
    size_in_bytes,
)
from sugar_deploy.errors import UsageError

FAT = Filesystem("fat32", 4 * KIB, GIB)
EXFAT = Filesystem("exfat", 32 * KIB, GIB)
EXT4 = Filesystem("ext4", 4 * KIB, GIB)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("a:b", "':'"),
        ("pool/foo_1:2.deb", "':'"),
        ("what?", "'?'"),
        ("a*", "'*'"),
        ('"', "in a name"),
        ("<x>", "'<'"),
        ("a|b", "'|'"),
        ("dot.", "dot or a space"),
        ("folder./x", "dot or a space"),
        ("space ", "dot or a space"),
        ("AUX", "device"),
        ("nul.txt", "device"),
        ("pool/com1/x", "device"),
        ("x" * 256, "255"),
    ],
)
@pytest.mark.parametrize("filesystem", [FAT, EXFAT])
def test_names_that_windows_has_no_place_for(filesystem: Filesystem, name: str, word: str) -> None:
    with pytest.raises(UsageError, match="ext4") as refused:
        refuse_names(filesystem, [(name, 1)])
    assert word in refused.value.message


def test_names_of_packages_are_no_trouble_to_fat() -> None:
    names = [
        "pool/main/l/libstdc++6/libstdc++6_12.2.0-14+deb12u1_amd64.deb",
        "x_1%3a2.0~rc1-1_all.deb",
        "console",
        "..a",
    ]
    refuse_names(FAT, [(name, 1) for name in names])


def test_ext4_takes_any_name() -> None:
    refuse_names(EXT4, [("a:b", 1), ("A", 1), ("a", 1), ("nul", 5 * GIB)])


def test_names_that_differ_by_case_alone_are_one_to_fat() -> None:
    with pytest.raises(UsageError, match="pool/README: pool/Readme is the same name"):
        refuse_names(FAT, [("pool/Readme", 1), ("pool/README", 1)])
    with pytest.raises(UsageError, match="Pool"):
        refuse_names(EXFAT, [("pool/a", 1), ("Pool/b", 1)])


def test_a_file_of_fat_has_less_than_four_gib() -> None:
    refuse_names(FAT, [("a", 4 * GIB - 1)])
    with pytest.raises(UsageError, match="exFAT or ext4"):
        refuse_names(FAT, [("a", 4 * GIB)])
    refuse_names(EXFAT, [("a", 4 * GIB)])


def test_each_file_takes_whole_clusters() -> None:
    # Two files of one cluster each, and two folders: the root and a/.
    assert EXFAT.room([("a/b", 1), ("a/c", 32 * KIB)]) == 4 * 32 * KIB
    assert EXFAT.room([("a/b", 32 * KIB + 1)]) == (2 + 2) * 32 * KIB


def test_a_large_folder_takes_more_clusters() -> None:
    # FAT: a name of 130 letters takes 10 entries of 13 letters, and one of its own, 32 bytes each: 352 a file.
    files = [(f"{number:0130d}", 0) for number in range(100)]
    assert FAT.room(files) == 9 * 4 * KIB


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("16G", 16 * 10**9),
        ("16 GB", 16 * 10**9),
        ("500m", 5 * 10**8),
        ("14.5GiB", 15569256448),
        ("1024", 1024),
        ("1k", 1000),
    ],
)
def test_sizes_as_they_stand_on_sticks(text: str, size: int) -> None:
    assert size_in_bytes(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "0", "16X", "1e9", "9" * 30, "16 G G"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="16G, 500M or"):
        size_in_bytes(text)


@pytest.mark.parametrize(
    ("kind", "capacity", "cluster"),
    [
        ("fat32", 4 * GIB, 4 * KIB),
        ("fat32", 16 * GIB, 8 * KIB),
        ("fat32", 32 * GIB, 16 * KIB),
        ("fat32", 64 * GIB, 32 * KIB),
        ("exfat", 32 * GIB, 32 * KIB),
        ("exfat", 128 * GIB, 128 * KIB),
        ("ext4", 128 * GIB, 4 * KIB),
    ],
)
def test_clusters_of_the_usual_formatting(kind: str, capacity: int, cluster: int) -> None:
    assert cluster_of(kind, capacity) == cluster


def test_a_capacity_counts_only_as_far_as_there_is_room() -> None:
    assert fitted(EXT4, None, 100 * GIB).free == GIB
    assert fitted(EXT4, None, 500 * MIB).free < 500 * MIB


def test_another_filesystem_than_the_one_found_has_its_own_clusters() -> None:
    found = fitted(Filesystem("ext4", 4 * KIB, 100 * GIB, free_files=10), "fat32", 16 * 10**9)
    assert (found.kind, found.cluster, found.free_files) == ("fat32", 8 * KIB, None)
    assert 15.9 * 10**9 < found.free < 16 * 10**9


# Lines as Linux shows sticks, with the folder and the number of the device put in.
MOUNTS = """\
22 1 254:1 / / rw,relatime shared:1 - ext4 /dev/vda1 rw
90 22 {number} / {parent} rw,nosuid,nodev,relatime shared:50 - {driver} {device} {options}
"""


@pytest.mark.parametrize(
    ("driver", "device", "options", "kind"),
    [
        (
            "vfat",
            "/dev/sdb1",
            "rw,fmask=0022,dmask=0022,codepage=437,iocharset=ascii,shortname=mixed,utf8,errors=remount-ro",
            "fat32",
        ),
        ("msdos", "/dev/sdb1", "rw,fmask=0022,dmask=0022,codepage=437,errors=remount-ro", "fat32"),
        ("exfat", "/dev/sdb1", "rw,fmask=0022,dmask=0022,iocharset=utf8,errors=remount-ro", "exfat"),
        ("fuseblk", "/dev/sdb1", "rw,user_id=0,group_id=0,default_permissions,allow_other,blksize=4096", "exfat"),
        ("ntfs3", "/dev/sdb1", "rw,uid=0,gid=0,iocharset=utf8", "exfat"),
        ("btrfs", "/dev/sdb1", "rw,space_cache=v2,subvolid=5,subvol=/", "ext4"),
    ],
)
def test_the_filesystem_of_a_stick_is_known_by_its_driver(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, driver: str, device: str, options: str, kind: str
) -> None:
    target = tmp_path / "KINGSTON USB" / "folder"
    target.mkdir(parents=True)
    device_number = target.stat().st_dev
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        MOUNTS.format(
            number=f"{os.major(device_number)}:{os.minor(device_number)}",
            parent=str(target.parent).replace(" ", "\\040"),
            driver=driver,
            device=device,
            options=options,
        )
    )
    monkeypatch.setattr(module, "_MOUNTS", mounts)
    found = detect(target)
    assert (found.kind, found.device, found.mount) == (kind, "/dev/sdb1", str(target.parent))
