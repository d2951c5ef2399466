"""Sticks and cards: what mtools, fsck, bmaptool and debugfs read of what we wrote."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.image.bundles.signing import Key, read_key
from sugar_deploy.image.media.layout import Wanted, places
from sugar_deploy.image.media.write import write_folder, write_image
from sugar_deploy.image.outputs.make import make
from tests.integration.image.system import ARM, compose
from tests.integration.image.test_disks import KEYS, SIGNER, small

LEASES = KEYS.parent / "lease"
TRUSTED = [read_key(KEYS / f"{purpose}.public") for purpose in ("os", "fs")]
START = 2048 * 512
PLACES = {
    *("contents.txt", "lease.sig", "security/lease.sig", "security/develop.sig"),
    *("sugar11.zd", "sugar11.zsp", "fs1.zip", "sugar41.zd", "sugar41.zsp", "fs4.zip"),
}


@pytest.fixture(scope="module")
def wanted(tmp_path_factory: pytest.TempPathFactory) -> Wanted:
    """What flashes locked laptops of two models, activates and unlocks them."""
    folder = tmp_path_factory.mktemp("models")
    old = make(compose(folder / "old", "xo-1.5"), small("xo-1.5"), folder / "xo-1.5", signer=SIGNER)
    new = make(compose(folder / "new", "xo-4", kernel=ARM), small("xo-4"), folder / "xo-4", signer=SIGNER)
    return Wanted((old, new), LEASES / "lease-v1.sig", LEASES / "develop.sig")


def on_fat(image: Path) -> set[str]:
    argv = ["mdir", "-/", "-b", "-i", f"{image}@@{START}", "::/"]
    listed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split("\n")
    return {line.removeprefix("::/").lower() for line in listed if line and not line.endswith("/")}


def test_one_stick_serves_several_models(wanted: Wanted, tmp_path: Path) -> None:
    assert write_folder(places(wanted), tmp_path / "stick", TRUSTED) == []
    found = {path.relative_to(tmp_path / "stick").as_posix() for path in (tmp_path / "stick").rglob("*.*")}
    assert found == PLACES


def test_a_whole_stick_is_read_by_others(wanted: Wanted, tmp_path: Path) -> None:
    stick = tmp_path / "stick.img"
    write_image(places(wanted), stick, TRUSTED)
    assert on_fat(stick) == PLACES
    (tmp_path / "part").write_bytes(stick.read_bytes()[START:])
    checked = subprocess.run(["/sbin/fsck.vfat", "-n", "-v", tmp_path / "part"], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout
    argv = ["mtype", "-i", f"{stick}@@{START}", "::/sugar41.zd"]
    assert subprocess.run(argv, capture_output=True, check=True).stdout == places(wanted)["sugar41.zd"].read_bytes()
    # A flasher that goes by the .bmap, onto a stick full of rubbish: all that was written is there.
    used = tmp_path / "used"
    used.write_bytes(b"\xa5" * stick.stat().st_size)
    subprocess.run(["bmaptool", "-q", "copy", stick, used], check=True)
    (tmp_path / "part").write_bytes(used.read_bytes()[START:])
    assert subprocess.run(["/sbin/fsck.vfat", "-n", tmp_path / "part"], capture_output=True).returncode == 0
    assert on_fat(used) == PLACES


def test_ext2_holds_the_same(wanted: Wanted, tmp_path: Path) -> None:
    stick = tmp_path / "stick.img"
    write_image(places(wanted), stick, TRUSTED, is_fat=False)
    where = f"{stick}?offset={START}"
    assert subprocess.run(["/sbin/e2fsck", "-f", "-n", where], capture_output=True).returncode == 0
    for place, file in places(wanted).items():
        argv = ["/sbin/debugfs", "-R", f"cat /{place}", where]
        assert subprocess.run(argv, capture_output=True, check=True).stdout == file.read_bytes()


@pytest.mark.parametrize("is_fat", [True, False])
def test_the_same_files_give_the_same_bytes(tmp_path: Path, is_fat: bool) -> None:
    made = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        file = tmp_path / name / "lease.sig"
        file.write_bytes((LEASES / "lease-v1.sig").read_bytes())
        write_image(places(Wanted(leases=file)), tmp_path / name / "stick.img", is_fat=is_fat)
        made.append([(tmp_path / name / f"stick.img{ending}").read_bytes() for ending in ("", ".bmap")])
    assert made[0] == made[1]


def test_a_bundle_without_a_number_is_refused(tmp_path: Path) -> None:
    (tmp_path / "runos.zip").touch()
    with pytest.raises(UsageError, match="has no model's number"):
        places(Wanted(bundles=[tmp_path / "runos.zip"]))


def test_two_files_of_one_name_are_refused(wanted: Wanted) -> None:
    with pytest.raises(UsageError, match="both have the place"):
        places(Wanted((*wanted.images, wanted.images[0])))


def test_a_changed_image_is_refused(wanted: Wanted, tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.mkdir()
    for file in wanted.images[0].iterdir():
        (image / file.name).write_bytes(file.read_bytes())
    (image / "sugar11.zsp").write_bytes(b"data: other.zd\n")
    with pytest.raises(UsageError, match="is not what the manifest says"):
        places(Wanted([image]))


def test_what_the_firmware_refuses_is_not_written(wanted: Wanted, tmp_path: Path) -> None:
    others = [Key("fs", read_key(KEYS / "fw.public").public)]
    with pytest.raises(UsageError, match=r"data\.sig"):
        write_folder(places(wanted), tmp_path / "stick", others)
    with pytest.raises(UsageError, match=r"data\.sig"):
        write_image(places(wanted), tmp_path / "stick.img", others)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_somebody_else_stays(wanted: Wanted, tmp_path: Path) -> None:
    (tmp_path / "letters").write_text("private")
    with pytest.raises(UsageError, match="is not a medium's folder"):
        write_folder(places(wanted), tmp_path, TRUSTED)
