"""Where a bundle may be written to: never to the machine's own disk in a stick's place."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.bundle import place as placing
from sugar_deploy.bundle.layout import Layout
from sugar_deploy.bundle.place import place
from sugar_deploy.bundle.watch import Unwatched
from sugar_deploy.bundle.write import write
from sugar_deploy.errors import UsageError

from .conftest import LoopStick, Maker


@pytest.fixture
def media(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stands for /media, where sticks are mounted, among other folders."""
    assert Path("/media") in placing.MOUNTED_BELOW
    found = tmp_path / "media"
    (found / "empty").mkdir(parents=True)
    monkeypatch.setattr(placing, "MOUNTED_BELOW", (found,))
    return found


@pytest.mark.parametrize("name", ["STIK", "empty", "empty/new"])
def test_where_sticks_are_mounted_a_folder_without_one_is_refused(media: Path, maker: Maker, name: str) -> None:
    before = sorted(media.rglob("*"))
    with pytest.raises(UsageError, match=f"nothing is mounted at {media / name}: this would be written to the disk"):
        place(Layout(media / name), "auto", None)
    with pytest.raises(UsageError, match="nothing is mounted"):
        write(maker.bundle({"project.tar": 10}), Layout(media / name), Unwatched())
    assert sorted(media.rglob("*")) == before


def test_a_link_to_such_a_folder_is_one_too(media: Path, tmp_path: Path) -> None:
    (tmp_path / "stick").symlink_to(media / "empty")
    with pytest.raises(UsageError, match="nothing is mounted"):
        place(Layout(tmp_path / "stick"), "auto", None)


def test_a_mounted_stick_and_a_folder_on_it_are_good(media: Path, loop_stick: Callable[..., LoopStick]) -> None:
    stick = loop_stick(16)
    subprocess.run(["mount", "--bind", str(stick.mount), str(media / "empty")], check=True)
    try:
        assert place(Layout(media / "empty"), "auto", None).mount == str(media / "empty")
        assert place(Layout(media / "empty/new"), "auto", None).mount == str(media / "empty")
    finally:
        subprocess.run(["umount", str(media / "empty")], check=True)


def test_a_stick_that_is_taken_away_before_it_is_written_to(
    media: Path, maker: Maker, loop_stick: Callable[..., LoopStick]
) -> None:
    stick = loop_stick(16)
    subprocess.run(["mount", "--bind", str(stick.mount), str(media / "empty")], check=True)
    try:
        place(Layout(media / "empty"), "auto", None)
    finally:
        subprocess.run(["umount", str(media / "empty")], check=True)
    with pytest.raises(UsageError, match="nothing is mounted"):
        write(maker.bundle({"project.tar": 10}), Layout(media / "empty"), Unwatched())
    assert list((media / "empty").iterdir()) == []


def test_elsewhere_a_folder_is_made_when_it_is_written_to(tmp_path: Path, maker: Maker) -> None:
    layout = Layout(tmp_path / "new")
    place(layout, "auto", None)
    assert not layout.root.exists()
    write(maker.bundle({"project.tar": 10}), layout, Unwatched())
    assert layout.manifest.is_file()
    with pytest.raises(UsageError, match=f"there is no folder {tmp_path / 'no'}"):
        place(Layout(tmp_path / "no/where"), "auto", None)
