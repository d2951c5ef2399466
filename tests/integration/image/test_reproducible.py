"""A small Debian with a kernel, its ramdisk and fonts, composed by root and by an ordinary user: the same bytes."""

from __future__ import annotations

import platform
import shutil
import subprocess
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from sugar_deploy.image.compose.build import making, run, write_folder
from sugar_deploy.image.compose.debian import choose
from sugar_deploy.image.compose.recipe import settings_places
from sugar_deploy.image.compose.stage import Step, folder_input, make_step
from sugar_deploy.image.survey.listing import kind, listed, without_date
from sugar_deploy.image.survey.reading import trees_of
from sugar_deploy.lab.mirror import read_mirror
from sugar_deploy.repository.derive.archive import KEYRING
from tests.integration.image.ordinary_user import GIVEN, HOME, as_an_ordinary_user
from tests.integration.image.ordinary_user import done as ended_well

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
NAMES = ("fontconfig", "fonts-dejavu-core", "initramfs-tools", f"linux-image-cloud-{ARCHITECTURE}", "zstd")

SINGLE = {"etc/hosts", "etc/issue", "etc/motd"}
"""Places that are files themselves."""


def recipe(debs: Path) -> tuple[Step, ...]:
    return (
        make_step("base", {"architecture": ARCHITECTURE}, {"debian": folder_input(debs)}),
        make_step("caches"),
        make_step("finish"),
    )


def with_files(debs: Path, files: Path) -> tuple[Step, ...]:
    """The same with files laid over it before what is made of the system."""
    base, caches, finish = recipe(debs)
    return base, make_step("files", {}, {"files": folder_input(files)}), caches, finish


def main() -> None:
    """What the user does."""
    tree, _ = run(recipe(GIVEN), HOME / "cache", print)
    tree.replace(HOME / "root.tar")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("reproducible")


@pytest.fixture(scope="module")
def debs(place: Path) -> Path:
    """Debian's packages, with their index."""
    debs = place / "debs"
    debs.mkdir()
    chosen = choose(read_mirror(), KEYRING, "bookworm", ARCHITECTURE, NAMES, (), print).as_input()
    for name, file in chosen.files.items():
        shutil.copyfile(file, debs / name)
    assert chosen.index
    (place / "index").mkdir()
    (debs / "Packages").write_text(chosen.index(place / "index"))
    return debs


def test_the_same_bytes(place: Path, debs: Path, tmp_path: Path) -> None:
    theirs = as_an_ordinary_user(debs, tmp_path / "theirs", "-m", __name__)
    tree, _ = run(recipe(debs), place / "cache", print)
    ended_well(theirs)
    with tarfile.open(tree) as tar:
        names = tar.getnames()
    assert [name for name in names if name.startswith("./boot/initrd.img-")]
    assert [name for name in names if name.startswith("./var/cache/fontconfig/") and ".cache-" in name]
    assert subprocess.run(["cmp", tree, tmp_path / "theirs/root.tar"], check=False).returncode == 0


def test_settings_are_as_if_they_had_been_there_before(place: Path, debs: Path, tmp_path: Path) -> None:
    """A file in each place of image/settings.yml: ramdisk, caches and all else are the same without it."""
    for name in settings_places().places:
        file = tmp_path / "files" / name / ("" if name in SINGLE else "laid")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{name}\n")
    early, _ = run(with_files(debs, tmp_path / "files"), place / "cache", print)
    with making(recipe(debs), place / "cache", print) as made:
        write_folder(made, tmp_path / "image", {}, folder_input(tmp_path / "files"))
    assert told(listed(early)) == told(listed(*trees_of(tmp_path / "image")))


def told(files: Mapping[str, str]) -> dict[str, str]:
    """Without the dates of folders: of those that are there already, no settings change them."""
    return {path: without_date(line) if kind(line) == "d" else line for path, line in files.items()}


if __name__ == "__main__":
    main()
