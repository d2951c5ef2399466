"""Settings laid over a disk's file system: read by e2fsprogs, and the same bytes however the disk came to be."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.files import sha256_of
from sugar_deploy.image.models import Model
from sugar_deploy.image.outputs.make import make
from sugar_deploy.image.zd.reading import unpack
from tests.integration.image.killing import killed
from tests.integration.image.system import EPOCH, X86, compose, lay_settings
from tests.integration.image.test_disks import ROOT, small

MOTD = {"./etc/motd": b"hola\n"}


def composed(folder: Path, settings: Mapping[str, bytes | None], model: str = "xo-1.5") -> Path:
    """A composed image with settings."""
    folder.mkdir(parents=True)
    image = compose(folder / "composed", model, kernel=X86, more={"./etc/motd": b"Debian's\n"})
    lay_settings(image, settings)
    return image


def output(image: Path, out: Path, kept: Path | None = None, model: Model | None = None) -> dict[str, bytes]:
    make(image, model or small("xo-1.5"), out, kept=kept)
    return {path.name: path.read_bytes() for path in out.iterdir()}


def test_they_are_in_the_system(tmp_path: Path) -> None:
    """In the place of what was there, links as well, with its owners, modes and times."""
    large, name = os.urandom(3 << 20), './srv/a "quoted" name'
    settings = MOTD | {"./bin/su": b"mine", "./srv": None, "./srv/large": large, name: b"x"}
    output(composed(tmp_path / "a", settings), tmp_path / "out")
    disk = tmp_path / "disk.img"
    unpack(tmp_path / "out/sugar11.zd", disk)

    def asked(command: str) -> bytes:
        return subprocess.run(
            ["debugfs", "-R", command, f"{disk}?offset={ROOT}"], capture_output=True, check=True
        ).stdout

    assert (
        subprocess.run(["e2fsck", "-f", "-n", f"{disk}?offset={ROOT}"], check=False, capture_output=True).returncode
        == 0
    )
    assert asked("cat /etc/motd") == b"hola\n"
    assert asked("cat /srv/large") == large
    assert asked('cat "/srv/a ""quoted"" name"') == b"x"
    assert b'Fast link dest: "motd"' in asked("stat /etc/issue")
    said = asked("stat /etc/motd").decode()
    assert ("Mode:  0640" in said, "User:     0" in said, said.count(f"0x{EPOCH:08x}")) == (True, True, 4)
    assert b"Mode:  0755" in asked("stat /srv")
    # The other name of what was replaced has what it had, and is its only one.
    assert asked("cat /bin/su") == b"mine"
    assert asked("cat /bin/also-su") == b"su"
    assert b"Links: 1" in asked("stat /bin/also-su")


@pytest.mark.parametrize("model", ["xo-1.5", "generic-pc"])
def test_the_same_bytes_from_a_disk_that_was_kept(tmp_path: Path, model: str) -> None:
    """By itself, as the first one that is kept, and after another image of the same system had it."""
    kept, size = tmp_path / "kept", 112 * 2**20 if model == "xo-1.5" else 160 * 2**20
    kept.mkdir()
    image = composed(tmp_path / "a", MOTD, model)
    alone = output(image, tmp_path / "alone", None, small(model, size))
    assert output(image, tmp_path / "first", kept, small(model, size)) == alone
    (disk,) = kept.glob("*.img")
    before = (disk.stat().st_ino, sha256_of(disk))
    other = composed(tmp_path / "b", {"./etc/motd": b"adios\n", "./srv": None, "./srv/more": bytes(100_000)}, model)
    assert output(other, tmp_path / "second", kept, small(model, size)) != alone
    assert output(image, tmp_path / "third", kept, small(model, size)) == alone
    (disk,) = kept.glob("*.img")
    assert (disk.stat().st_ino, sha256_of(disk)) == before


@pytest.mark.parametrize("damage", ["other byte", "cut off", "no proof", "another size"])
def test_a_kept_disk_that_is_damaged_is_made_anew(tmp_path: Path, damage: str) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    image = composed(tmp_path / "a", MOTD)
    right = output(image, tmp_path / "out", kept)
    (disk,) = kept.glob("*.img")
    if damage == "other byte":
        with disk.open("r+b") as file:
            file.seek(20 * 2**20 + 77)
            file.write(b"!")
    elif damage == "cut off":
        os.truncate(disk, 20 * 2**20)
    elif damage == "no proof":
        next(kept.glob("*.sha256")).unlink()
    else:
        larger = small("xo-1.5", 144 * 2**20)
        output(image, tmp_path / "larger", kept, larger)
        assert len(list(kept.glob("*.img"))) == 2
    assert output(image, tmp_path / "out", kept) == right


def test_settings_without_room_are_refused_in_words(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.mkdir()
    image = composed(tmp_path / "a", {"./etc/large": bytes(range(256)) * (200 << 10)})
    with pytest.raises(DeployError, match=r"^the file system of \d+ MB has no room left for the settings"):
        output(image, tmp_path / "out", kept)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "kept"]
    right = composed(tmp_path / "b", MOTD)
    assert output(right, tmp_path / "out", kept) == output(right, tmp_path / "alone")


def test_settings_that_are_damaged_are_refused(tmp_path: Path) -> None:
    image = composed(tmp_path / "a", MOTD)
    with (image / "settings.tar").open("r+b") as file:
        file.seek(512)
        file.write(b"H")
    with pytest.raises(DeployError, match=r"settings\.tar is not what was composed: it is damaged or cut off"):
        output(image, tmp_path / "out")


@pytest.mark.parametrize("tar_or_recipe", ["settings.tar", "recipe.json"])
def test_settings_without_their_other_half_are_refused(tmp_path: Path, tar_or_recipe: str) -> None:
    image, plain = composed(tmp_path / "a", MOTD), compose(tmp_path / "plain", "xo-1.5")
    if tar_or_recipe == "settings.tar":
        (image / "settings.tar").unlink()
    else:
        (plain / "recipe.json").replace(image / "recipe.json")
    with pytest.raises(DeployError, match=r"settings\.tar and recipe\.json do not belong together"):
        output(image, tmp_path / "out")


def test_killed_at_each_step(tmp_path: Path) -> None:
    """With a kept file system in its hands: the next run makes another, and the same image."""
    kept, place = tmp_path / "kept", tmp_path / "there"
    kept.mkdir()
    place.mkdir()
    image = composed(tmp_path / "a", MOTD)
    right = output(image, tmp_path / "alone")
    for number in itertools.count(1):
        if not list(kept.glob("*.img")):
            output(image, tmp_path / "before", kept)
        if not killed(number, lambda: output(image, place / "out", kept), ("subprocess.Popen", "os.rename")):
            break
        assert not (place / "out").exists()
    assert number > 8
    assert [path.name for path in place.iterdir()] == ["out"]
    assert output(image, place / "out", kept) == right
