"""A stick's folder: what the firmware sees there, and what it would stumble over."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.image.bundles.signing import read_key
from sugar_deploy.image.nand.writing import write_checksums
from sugar_deploy.image.stick import check_stick
from tests.unit.image.bundle_samples import ARM, KEYS, SIGNED, X86, script, zipped

VECTORS = Path(__file__).parent / "vectors"


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A stick that reflashes, activates and unlocks an XO-1.5, and boots an XO-4."""
    for folder in ("boot", "security"):
        (tmp_path / folder).mkdir()
    shutil.copy(VECTORS / "image.zd", tmp_path)
    shutil.copy(SIGNED / "bundle" / "fs1.zip", tmp_path)
    shutil.copy(SIGNED / "lease" / "lease-v1.sig", tmp_path / "security" / "lease.sig")
    shutil.copy(SIGNED / "derived" / "leases.cjson", tmp_path / "lease.sig")
    shutil.copy(SIGNED / "lease" / "develop.sig", tmp_path / "security")
    (tmp_path / "boot" / "runos4.zip").write_bytes(zipped({"data.img": ARM}))
    (tmp_path / "boot" / "olpc.fth").write_bytes(b"\\ boots\n")
    (tmp_path / "boot" / "initrd.img").write_bytes(b"a ramdisk, and not what an XO-1 flashes")
    (tmp_path / "Read this, please.txt").write_text("The firmware does not look at other files.")
    return tmp_path


def errors(folder: Path, *, is_fat: bool = True) -> list[str]:
    reports = check_stick(folder, [read_key(KEYS["fs"])], is_fat=is_fat)
    return [error for report in reports.values() for error in report.errors]


def test_a_good_stick_is_taken_and_every_file_looked_at(stick: Path) -> None:
    reports = check_stick(stick, [read_key(KEYS["fs"])])
    assert [error for report in reports.values() for error in report.errors] == []
    assert {str(path.relative_to(stick)) for path in reports} == {
        *(".", "image.zd", "fs1.zip", "lease.sig", "security/lease.sig", "security/develop.sig"),
        *("boot/runos4.zip", "boot/olpc.fth"),
    }
    assert reports[stick].facts["models"] == "XO-1.5, XO-4"
    assert reports[stick / "fs1.zip"].facts["signature"] == "good, by the key fs"


def rename(old: str, new: str) -> Callable[[Path], object]:
    return lambda folder: (folder / old).rename(folder / new)


def change(name: str, old: bytes, new: bytes) -> Callable[[Path], object]:
    return lambda folder: (folder / name).write_bytes((folder / name).read_bytes().replace(old, new, 1))


def plain(folder: Path) -> None:
    shutil.copy(folder / "boot" / "runos4.zip", folder / "boot" / "runos.zip")


FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a long name": (rename("image.zd", "laptop-15.zd"), "laptop-15.zd: is longer than 8 and 3"),
    "two dots": (rename("boot/runos4.zip", "boot/a.runos4.zip"), "a.runos4.zip: is longer than 8 and 3"),
    "a plain bundle": (plain, "takes it on every model, and this stick is for XO-1.5, XO-4"),
    "a damaged image": (change("image.zd", b"zblock: 1 95", b"zblock: 1 94"), "block 1: Missing newline"),
    "a signed set without its image": (lambda folder: (folder / "image.zd").unlink(), "image.zd is not beside it"),
    "a bundle in the root": (rename("boot/runos4.zip", "runos4.zip"), "looks for it in \\boot"),
    "fs in boot": (rename("fs1.zip", "boot/fs1.zip"), "boot/fs1.zip: the firmware looks for it in \\"),
    "another model's kernel": (change("boot/runos4.zip", ARM, X86[: len(ARM)]), "is not an ARM zImage"),
    "a developer key in the root": (rename("security/develop.sig", "develop.sig"), "looks for it in \\security"),
    "a lease in boot": (rename("lease.sig", "boot/lease.sig"), "boot/lease.sig: the firmware looks for it"),
    "a comment among leases": (change("security/lease.sig", b"act01", b"# A\nact01"), "line 1: does not begin with"),
    "an empty lease file": (lambda folder: (folder / "security/lease.sig").write_bytes(b""), "is empty"),
    "a wrapper for the firmware": (rename("lease.sig", "security/lease.sig"), "line 1: does not begin with act01:"),
    "a broken wrapper": (change("lease.sig", b'"SHC12345678":', b'"SHC12345679":'), "SHC1234567"),
    "a lease as developer key": (rename("security/lease.sig", "security/develop.sig"), "begin with dev01:"),
    "two spaces in a lease": (change("security/lease.sig", b" K ", b"  K "), "one-space"),
    "a script that is none": (change("boot/olpc.fth", b"\\ ", b"\\"), "does not begin with a backslash"),
    "a clock's reset in the root": (
        lambda folder: shutil.copy(SIGNED / "lease" / "rtcreset-v1.sig", folder / "rtcreset.sig"),
        "looks for it in \\security",
    ),
    "a lease as a clock's reset": (rename("security/lease.sig", "security/rtcreset.sig"), "begin with rtc01"),
    "a zip of no name": (rename("boot/runos4.zip", "boot/kernel.zip"), "is no name of a bundle"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_named(name: str, stick: Path) -> None:
    spoil, said = FAULTS[name]
    spoil(stick)
    found = errors(stick)
    assert any(said in error for error in found), found


def test_names_may_be_long_on_ext2(stick: Path) -> None:
    (stick / "image.zd").unlink()
    (stick / "fs1.zip").unlink()
    shutil.copy(VECTORS / "image.zd", stick / "a-long-name.zd")
    assert errors(stick, is_fat=False) == []
    assert len(errors(stick)) == 1


def test_a_plain_bundle_may_be_where_there_is_one_model(stick: Path) -> None:
    (stick / "fs1.zip").unlink()
    plain(stick)
    assert errors(stick) == []
    assert "runos.zip: has no model's number" in check_stick(stick)[stick].warnings[-1]


def test_what_is_not_looked_at_is_not_called_good(stick: Path) -> None:
    shutil.copy(VECTORS / "image.zsp", stick)
    (stick / "os1.uim").write_bytes(b"its script is not here")
    assert {stick / "image.zsp", stick / "os1.uim"}.isdisjoint(check_stick(stick))


def test_a_file_that_fat_cannot_hold_is_told(stick: Path) -> None:
    with (stick / "os1.uim").open("wb") as file:
        file.truncate(4 << 30)
    assert errors(stick) == ["os1.uim: is over 4 GiB: FAT cannot hold it"]


def test_an_xo_1_needs_checksums_unless_a_script_names_its_image(stick: Path) -> None:
    image = bytes(0x40000)
    (stick / "os1.img").write_bytes(image)
    assert errors(stick) == ["os1.crc: Can't open CRC file"]
    (stick / "fs0.zip").write_bytes(zipped({"data.sig": b"", "data.img": script(image)}))
    assert [error for error in errors(stick) if "os1" in error] == []
    (stick / "fs0.zip").unlink()
    write_checksums(stick / "os1.img")
    (stick / "os1.onu").write_bytes(script(image))
    assert errors(stick) == []
    (stick / "os1.onu").write_bytes(script(image[1:] + b"\1"))
    assert errors(stick) == ["os1.onu: line 5: Bad hash of block 1 of os1.img"]


@pytest.mark.parametrize(
    ("missing", "told"),
    [
        ("lease.sig", "only the firmware reads this one; the initramfs looks in the root"),
        ("security/lease.sig", "only the initramfs reads this one; the firmware looks in \\security"),
    ],
)
def test_one_of_two_places_of_a_lease_is_warned_of(missing: str, told: str, stick: Path) -> None:
    (stick / missing).unlink()
    (warning,) = check_stick(stick)[stick].warnings
    assert told in warning


def test_a_line_that_the_firmware_reads_garbled_is_told(stick: Path) -> None:
    """A lease with one delegation is read where it begins the file, and not behind another one."""
    delegated = (SIGNED / "lease" / "lease-delegated.sig").read_bytes()
    (stick / "security" / "lease.sig").write_bytes(delegated)
    assert errors(stick) == []
    (stick / "security" / "lease.sig").write_bytes(delegated * 2)
    (error,) = errors(stick)
    assert "line 2: its 1725 bytes begin at byte 1725" in error


def test_a_folder_without_anything_is_wrong_usage(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(UsageError, match="nothing that a laptop's firmware"):
        check_stick(tmp_path)
