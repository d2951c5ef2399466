"""A small Debian with a kernel, its ramdisk and fonts, composed by root and by an ordinary user: the same bytes."""

from __future__ import annotations

import platform
import shutil
import subprocess
import tarfile
from pathlib import Path

from sugar_deploy.image.compose.build import run
from sugar_deploy.image.compose.debian import choose
from sugar_deploy.image.compose.stage import Step, folder_input, make_step
from sugar_deploy.lab.mirror import read_mirror
from sugar_deploy.repository.derive.archive import KEYRING
from tests.integration.image.ordinary_user import GIVEN, HOME, as_an_ordinary_user, done

ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
NAMES = ("fontconfig", "fonts-dejavu-core", "initramfs-tools", f"linux-image-cloud-{ARCHITECTURE}", "zstd")


def recipe(debs: Path) -> tuple[Step, ...]:
    return (
        make_step("base", {"architecture": ARCHITECTURE}, {"debian": folder_input(debs)}),
        make_step("finish"),
    )


def main() -> None:
    """What the user does."""
    tree, _ = run(recipe(GIVEN), HOME / "cache", print)
    tree.replace(HOME / "root.tar")


def test_the_same_bytes(tmp_path: Path) -> None:
    debs = tmp_path / "debs"
    debs.mkdir()
    chosen = choose(read_mirror(), KEYRING, "bookworm", ARCHITECTURE, NAMES, (), print).as_input()
    for name, file in chosen.files.items():
        shutil.copyfile(file, debs / name)
    assert chosen.index
    (tmp_path / "index").mkdir()
    (debs / "Packages").write_text(chosen.index(tmp_path / "index"))
    theirs = as_an_ordinary_user(debs, tmp_path / "theirs", "-m", __name__)
    tree, _ = run(recipe(debs), tmp_path / "elsewhere" / "cache", print)
    done(theirs)
    with tarfile.open(tree) as tar:
        names = tar.getnames()
    assert [name for name in names if name.startswith("./boot/initrd.img-")]
    assert [name for name in names if name.startswith("./var/cache/fontconfig/") and ".cache-" in name]
    assert subprocess.run(["cmp", tree, tmp_path / "theirs/root.tar"], check=False).returncode == 0


if __name__ == "__main__":
    main()
