"""What we say of FAT32 holds on a FAT32: its names, its sizes, its room."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from sugar_deploy.bundle.filesystem import Filesystem, fitted, refuse_names
from sugar_deploy.bundle.layout import Layout
from sugar_deploy.bundle.manifest import read_verified
from sugar_deploy.bundle.proof import prove
from sugar_deploy.bundle.watch import Unwatched
from sugar_deploy.bundle.write import write

from .conftest import MIB, Maker, hashes

NAMES = (
    "project.tar",
    "repository/dists/bookworm/InRelease",
    f"repository/dists/bookworm/main/binary-amd64/by-hash/SHA512/{'0123456789abcdef' * 8}",
    f"repository/dists/bookworm/main/binary-amd64/by-hash/SHA512/{'fedcba9876543210' * 8}",
    "repository/pool/main/g/gcc-12/libstdc++6_12.2.0-14+deb12u1_amd64.deb",
    "repository/pool/main/x/xorg/x11-common_1%3a7.7+23_all.deb",
    # No tilde just after seven letters: of such a name mtools 4.0.32 writes a short form whose checksum is wrong, and
    # cannot read the long one again.
    "repository/pool/main/o/oddity/oddity-long_1.0~rc1-1~deb12u1_all.deb",
    "repository/pool/main/c/con-s/console-setup_1.221_all.deb",
    "wheels/pyyaml-6.0.3-cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64.manylinux_2_28_x86_64.whl",
    "wheels/bookworm-amd64.txt",
)
FILES = {name: 3000 * number + 1 for number, name in enumerate(NAMES)} | {
    f"repository/pool/main/m/many/many-package-{number:03d}_1.2.3-4_amd64.deb": 5000 + number * 37
    for number in range(300)
}


def mtool(image: Path, *argv: str) -> str:
    name, *rest = argv
    environment = os.environ | {"MTOOLS_SKIP_CHECK": "1", "LC_ALL": "C.UTF-8"}
    done = subprocess.run([name, "-i", str(image), *rest], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fat32(image: Path, mebibytes: int, cluster: int) -> Path:
    with image.open("wb") as file:
        file.truncate(mebibytes * MIB)
    mtool(image, "mformat", "-F", "-c", str(cluster // 512), "::")
    return image


def free(image: Path) -> int:
    found = re.search(r"([\d ]+) bytes free", mtool(image, "mdir", "::"))
    assert found
    return int(found[1].replace(" ", ""))


def files_of(root: Path) -> Iterable[tuple[str, int]]:
    return [(str(path.relative_to(root)), path.stat().st_size) for path in root.rglob("*") if path.is_file()]


@pytest.mark.parametrize("cluster", [512, 4096, 32768])
def test_a_bundle_comes_back_from_a_fat_stick_as_it_was(maker: Maker, tmp_path: Path, cluster: int) -> None:
    bundle = maker.bundle(FILES)
    source = Layout(tmp_path / "stick")
    source.root.mkdir()
    write(bundle, source, Unwatched())
    # FAT32 begins at 65,525 clusters: below that, it would be FAT16.
    image = fat32(tmp_path / "fat.img", max(64, cluster * 66_000 // MIB), cluster)
    before = free(image)
    refuse_names(Filesystem("fat32", cluster, before), files_of(source.root))
    mtool(image, "mcopy", "-s", "-Q", *(str(path) for path in sorted(source.root.iterdir())), "::")
    used = before - free(image)
    back = tmp_path / "back"
    back.mkdir()
    mtool(image, "mcopy", "-s", "-Q", "::sugar-deploy", "::install.sh", "::README.txt", str(back))
    assert hashes(back) == hashes(source.root)
    assert read_verified(Layout(back), Layout(back).key).files == tuple(piece.entry for piece in bundle.pieces)
    assert prove(back, None, Unwatched()).whole
    computed = Filesystem("fat32", cluster, before).room(files_of(source.root))
    assert used <= computed <= used * 1.01 + 4 * cluster


@pytest.mark.parametrize("mebibytes", [512, 4096])
def test_the_computed_free_room_is_there(tmp_path: Path, mebibytes: int) -> None:
    capacity = mebibytes * MIB
    planned = fitted(Filesystem("ext4", 4096, 10**15), "fat32", capacity)
    image = fat32(tmp_path / "fat.img", mebibytes, planned.cluster)
    really = free(image)
    assert really * 0.995 < planned.free <= really


@pytest.mark.parametrize(("name", "other"), [("pool/Readme", "pool/README"), ("Pool/a", "pool/b")])
def test_names_that_we_refuse_do_collide(tmp_path: Path, name: str, other: str) -> None:
    image = fat32(tmp_path / "fat.img", 64, 512)
    for path in (name, other):
        source = tmp_path / "source" / path
        source.parent.mkdir(parents=True, exist_ok=True)
        source.write_text(path)
        folder = path.partition("/")[0]
        made = subprocess.run(["mmd", "-i", str(image), "-D", "s", f"::{folder}"], capture_output=True)
        assert made.returncode in {0, 1}
        mtool(image, "mcopy", "-D", "o", str(source), f"::{path}")
    listed = mtool(image, "mdir", "-b", "-/", "::").splitlines()
    # Two files, or two folders, have become one.
    assert len({line.rpartition("/")[0] for line in listed}) == 1
