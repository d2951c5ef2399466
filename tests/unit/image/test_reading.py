"""A tar that is read once: hash, newest date and content, whole and piece by piece."""

from __future__ import annotations

import contextlib
import hashlib
import io
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sugar_deploy.image.parallel import in_order
from sugar_deploy.image.survey.listing import listed
from sugar_deploy.image.survey.reading import PIECE, read_tree

LARGE = random.Random(3).randbytes(2 * PIECE + 5)
FILES = {"./large": LARGE, "./empty": b"", "./small": b"small"}


class Whole:
    """Puts files together again, but for one that it does not ask for."""

    def __init__(self) -> None:
        self.pieces: dict[str, list[bytes]] = {}
        self.ended: list[str] = []

    def entry(self, path: str, member: tarfile.TarInfo) -> One | None:
        return None if path == "/small" else One(self, path)


class One:
    """One of its files."""

    def __init__(self, whole: Whole, path: str) -> None:
        self.whole, self.path = whole, path
        whole.pieces[path] = []

    def take(self, piece: bytes) -> None:
        self.whole.pieces[self.path].append(piece)

    def end(self) -> None:
        self.whole.ended.append(self.path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    with tarfile.open(tmp_path / "root.tar", "w", format=tarfile.PAX_FORMAT) as tar:
        for number, (name, content) in enumerate(FILES.items(), start=1):
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), 1_500_000_000 + number % 3
            tar.addfile(member, io.BytesIO(content))
        link = tarfile.TarInfo("./link")
        link.type, link.linkname = tarfile.SYMTYPE, "small"
        tar.addfile(link)
    return tmp_path / "root.tar"


def test_everything_is_read_once_by_all(tree: Path) -> None:
    one, other = Whole(), Whole()
    found = read_tree(tree, one, other)
    assert found.sha256 == hashlib.sha256(tree.read_bytes()).hexdigest()
    assert found.newest == 1_500_000_002
    assert one.pieces == other.pieces
    assert {path: b"".join(pieces) for path, pieces in one.pieces.items()} == {
        "/large": LARGE,
        "/empty": b"",
        "/link": b"",
    }
    assert [len(piece) for piece in one.pieces["/large"]] == [PIECE, PIECE, 5]
    # What has no content is only told.
    assert one.ended == ["/large", "/empty"]


def test_a_list_has_the_hash_of_each_file(tree: Path) -> None:
    lines = listed(tree)
    assert list(lines) == ["/empty", "/large", "/link", "/small"]
    assert lines["/large"] == f"-rw-r--r-- 0:0 {len(LARGE)} {hashlib.sha256(LARGE).hexdigest()} @1500000001"
    assert lines["/link"] == "lrw-r--r-- 0:0 0 ->small @0"


@pytest.mark.parametrize("left", [0, 700, -10240])
def test_a_tar_that_is_cut_off_is_told_or_has_another_hash(tree: Path, left: int) -> None:
    whole = read_tree(tree)
    tree.write_bytes(tree.read_bytes()[:left])
    with contextlib.suppress(tarfile.TarError):
        assert read_tree(tree).sha256 != whole.sha256


def test_results_come_in_order_and_a_failure_after_what_came_before_it() -> None:
    def numbers() -> Iterator[int]:
        yield from range(50)
        raise ValueError("no more")

    got = []
    with pytest.raises(ValueError, match="no more"):
        for number in in_order(lambda number: number * 2, numbers(), 3):
            got.append(number)
    assert got == list(range(0, 100, 2))
    assert list(in_order(str, range(100), 2)) == [str(number) for number in range(100)]
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda number: 1 // number, [2, 1, 0, 5], 2))
