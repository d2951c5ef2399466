"""Making it fit: what is left out first, and what is said if nothing helps."""

from __future__ import annotations

from pathlib import Path

import pytest

from sugar_deploy.bundle.capacity import TooLarge, fit
from sugar_deploy.bundle.filesystem import GIB, KIB, MIB, Filesystem
from sugar_deploy.bundle.parts import RPM_PART, SBOM_PART, Piece


def piece(path: str, mebibytes: int, part: str) -> Piece:
    return Piece(path, mebibytes * MIB, "a" * 64, Path("/nowhere"), part)


PIECES = (
    piece("repository/pool/a.deb", 100, "packages of bookworm for amd64"),
    piece("repository/yum/b.rpm", 10, RPM_PART),
    piece("sbom.json", 10, SBOM_PART),
)


def stick(mebibytes: int, free_files: int | None = None) -> Filesystem:
    return Filesystem("fat32", 4 * KIB, mebibytes * MIB, free_files)


def test_everything_goes_along_where_there_is_room() -> None:
    found = fit(PIECES, 1000, stick(140), list)
    assert (found.pieces, found.left_out) == (PIECES, ())
    assert 120 * MIB < found.room < 122 * MIB


@pytest.mark.parametrize(
    ("mebibytes", "left_out"),
    [
        (112, (SBOM_PART,)),
        (102, (SBOM_PART, RPM_PART)),
    ],
)
def test_optional_parts_go_one_after_another(mebibytes: int, left_out: tuple[str, ...]) -> None:
    found = fit(PIECES, 1000, stick(mebibytes), list)
    assert found.left_out == left_out
    assert not {one.part for one in found.pieces} & set(left_out)
    assert found.room <= mebibytes * MIB


def test_what_does_not_fit_is_told_with_what_takes_the_room_and_what_would_fit() -> None:
    smaller = piece("repository/pool/a.deb", 30, "packages of bookworm for amd64")
    larger = piece("repository/pool/a.deb", 90, "packages of bookworm for amd64")
    options = [("--suite bookworm", [larger]), ("--since 0123456789ab", [smaller])]
    with pytest.raises(TooLarge) as refused:
        fit(PIECES, 1000, stick(50), lambda: options)
    text = str(refused.value)
    assert "51 MiB are missing (101 MiB needed, 50 MiB there)" in text
    assert "100 MiB  packages of bookworm for amd64" in text
    assert "--since 0123456789ab" in text
    assert "--suite bookworm" not in text
    assert refused.value.exit_code == 1


def test_where_nothing_helps_that_is_said() -> None:
    with pytest.raises(TooLarge, match="take a larger stick"):
        fit(PIECES, 1000, stick(50), list)


def test_too_few_inodes_are_too_little_room() -> None:
    with pytest.raises(TooLarge, match="only 3 more files"):
        fit(PIECES, 1000, stick(1024, free_files=3), list)


def test_a_bundle_of_many_gib_is_told_in_gib() -> None:
    large = Piece("a", 20 * GIB, "a" * 64, Path("/nowhere"), "packages")
    with pytest.raises(TooLarge, match=r"20\.0 GiB  packages"):
        fit((large,), 1000, stick(50), list)
