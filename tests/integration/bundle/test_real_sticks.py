"""What we reckon of FAT32 and exFAT is what their own programs say, and what Linux's drivers find."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from sugar_deploy.bundle.filesystem import GIB, MIB, Filesystem, cluster_of, detect, fitted
from sugar_deploy.bundle.layout import Layout
from sugar_deploy.bundle.proof import prove
from sugar_deploy.bundle.watch import Unwatched
from sugar_deploy.bundle.write import write
from tests.integration.bundle.conftest import Maker, hashes
from tests.integration.bundle.real_stick import formatted, mounted
from tests.integration.bundle.test_write_fat import FILES, NAMES


def as_formatted(kind: str, image: Path) -> tuple[int, int]:
    """An empty stick's cluster and free bytes, as its filesystem's own program tells them."""
    argv = ("fsck.vfat", "-nv") if kind == "fat32" else ("dump.exfat",)
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin", "LC_ALL": "C.UTF-8"}
    said = subprocess.run((*argv, str(image)), check=True, capture_output=True, text=True, env=environment).stdout
    if kind == "exfat":
        cluster, clusters = (int(found) for found in re.findall(r"(?:Cluster size|Free Clusters):\s+(\d+)", said))
        return cluster, clusters * cluster
    size, used, all_ = (
        int(found)
        for pattern in (r"(\d+) bytes per cluster", r"(\d+)/\d+ clusters", r"\d+/(\d+) clusters")
        for found in re.findall(pattern, said)
    )
    return size, (all_ - used) * size


@pytest.mark.parametrize("kind", ["fat32", "exfat"])
@pytest.mark.parametrize(
    "capacity",
    [200 * MIB, 256 * MIB, 257 * MIB, 260 * MIB, GIB, 4 * 10**9, 16 * GIB + MIB, 32 * GIB + MIB, 128 * 10**9],
)
def test_clusters_and_free_room_are_those_of_the_usual_formatting(tmp_path: Path, kind: str, capacity: int) -> None:
    image = formatted(kind, tmp_path / "stick.img", capacity)
    cluster, free = as_formatted(kind, image)
    assert cluster_of(kind, capacity) == cluster
    planned = fitted(Filesystem("ext4", 4096, 10**15), kind, capacity).free
    # Never more than is there, and not much less.
    assert free - 2 * MIB < planned <= free


def test_a_bundle_on_exfat_takes_what_was_reckoned(maker: Maker, tmp_path: Path) -> None:
    image = formatted("exfat", tmp_path / "stick.img", 256 * MIB)
    bundle = maker.bundle(FILES)
    with mounted("exfat", image, tmp_path / "my stick") as stick:
        found = detect(stick)
        assert (found.kind, found.cluster, found.mount) == ("exfat", 4096, str(stick))
        assert found.free == as_formatted("exfat", image)[1]
        write(bundle, Layout(stick), Unwatched())
        used = found.free - detect(stick).free
        sizes = [(str(path.relative_to(stick)), path.stat().st_size) for path in stick.rglob("*") if path.is_file()]
    # The root's cluster is there on an empty stick already.
    assert used <= found.room(sizes) <= used * 1.01 + 4 * found.cluster


@pytest.mark.parametrize("kind", ["fat32", "exfat"])
def test_a_bundle_is_there_after_the_stick_was_put_in_again(maker: Maker, tmp_path: Path, kind: str) -> None:
    image = formatted(kind, tmp_path / "stick.img", 64 * MIB)
    bundle = maker.bundle({name: FILES[name] for name in NAMES})
    with mounted(kind, image, tmp_path / "once") as stick:
        assert write(bundle, Layout(stick), Unwatched()).written == len(NAMES)
        before = hashes(stick)
    with mounted(kind, image, tmp_path / "again") as stick:
        assert hashes(stick) == before
        assert prove(stick, None, Unwatched()).whole
        assert not write(bundle, Layout(stick), Unwatched()).changed


def test_a_later_bundle_replaces_what_is_on_exfat(maker: Maker, tmp_path: Path) -> None:
    image = formatted("exfat", tmp_path / "stick.img", 64 * MIB)
    with mounted("exfat", image, tmp_path / "stick") as stick:
        write(maker.bundle({name: FILES[name] for name in NAMES}), Layout(stick), Unwatched())
        Layout(stick).file(NAMES[1]).write_bytes(b"other")
        later = maker.bundle({name: FILES[name] for name in NAMES[1:]} | {"repository/pool/new_1.deb": 5000}, 2)
        # The new one, and the one that was spoilt.
        assert write(later, Layout(stick), Unwatched()).written == 2
        assert prove(stick, None, Unwatched()).whole
        assert not Layout(stick).file(NAMES[0]).exists()
