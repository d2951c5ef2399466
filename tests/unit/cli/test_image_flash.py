"""`image flash`: who says which device is overwritten, and how. Real devices are written elsewhere."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path

import pytest

from sugar_deploy.cli import main
from sugar_deploy.image.flash import copying, devices
from tests.unit.image.test_flash_source import TABLE

Capture = pytest.CaptureFixture[str]
STICK = Path(__file__).parents[1] / "image" / "lsblk" / "stick.json"
NAME = "SanDisk Ultra 15.4 GB"


class Terminal(StringIO):
    """Somebody types."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """An image, a stick of which lsblk tells, and the devices that writing was begun on."""
    (tmp_path / "stick.img").write_bytes(TABLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(devices, "look", lambda _path: devices.read(STICK.read_text()))
    devices_written: list[str] = []
    monkeypatch.setattr(copying, "flash", lambda _source, device, *_: devices_written.append(device.path))
    return devices_written


def flash(capsys: Capture, *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["image", "flash", "stick.img", "/dev/sdb", *words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


@pytest.mark.parametrize("word", [NAME, f"  {NAME.replace(' ', '  ')} "])
def test_its_model_and_size_are_enough(begun: list[str], word: str, capsys: Capture) -> None:
    status, said, _ = flash(capsys, "--yes", word)
    assert (status, begun) == (0, ["/dev/sdb"])
    assert f"/dev/sdb ({NAME}): 0.0 MiB of stick.img written and read back\nIt can be pulled out" in said


@pytest.mark.parametrize("word", ["", "yes", "SanDisk Ultra", "15.4 GB", "SanDisk Ultra 15.5 GB", NAME.lower()])
def test_anything_else_is_not(begun: list[str], word: str, capsys: Capture) -> None:
    status, _, said = flash(capsys, "--yes", word)
    assert (status, begun) == (2, [])
    assert "Nothing was written" in said


def test_without_a_terminal_nobody_is_asked(begun: list[str], capsys: Capture) -> None:
    status, _, said = flash(capsys)
    assert (status, begun) == (2, [])
    assert f"--yes '{NAME}'" in said


@pytest.mark.parametrize(("typed", "status"), [(NAME, 0), ("y", 2), ("SanDisk Ultra 32 GB", 2)])
def test_somebody_types_it(
    begun: list[str], typed: str, status: int, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(f"{typed}\n"))
    got, _, said = flash(capsys)
    assert (got, bool(begun)) == (status, status == 0)
    assert f"All that is on /dev/sdb will be lost. It is: {NAME}\n  /dev/sdb1  vfat\n" in said


def test_a_size_of_ones_own(begun: list[str], capsys: Capture) -> None:
    assert flash(capsys, "--yes", NAME, "--largest", "16GB")[0] == 0
    status, _, said = flash(capsys, "--yes", NAME, "--largest", "15G")
    assert (status, "15.4 GB is more than 15.0 GB" in said, len(begun)) == (2, True, 1)
    assert flash(capsys, "--yes", NAME, "--largest", "large")[0] == 2


def test_a_bare_yes_is_a_mistake(begun: list[str], capsys: Capture) -> None:
    assert flash(capsys, "--yes")[0] == 2
    assert begun == []
