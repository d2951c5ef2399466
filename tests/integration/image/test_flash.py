"""An image onto a real block device, a loop device: written, proved, and every way in which that goes wrong."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sugar_deploy.cli import main
from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.image.flash.copying import FIRST, flash
from sugar_deploy.image.flash.devices import Device, look
from sugar_deploy.image.flash.source import Source, read_source
from sugar_deploy.image.media.layout import Wanted, places
from sugar_deploy.image.media.write import write_image

LEASES = Path(__file__).parents[2] / "unit" / "olpc_security" / "vectors" / "lease"
MIB = 2**20
RUBBISH = b"\xa5"


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A stick that activates laptops, and holds 10 MiB that are of no use to them."""
    folder = tmp_path_factory.mktemp("image")
    (folder / "more.bin").write_bytes(os.urandom(10 * MIB))
    found = places(Wanted(leases=LEASES / "lease-v1.sig")) | {"more.bin": folder / "more.bin"}
    write_image(found, folder / "stick.img")
    return read_source(folder / "stick.img")


Attach = Callable[[Path], Device]


@pytest.fixture
def attach() -> Iterator[Attach]:
    """Makes a file a block device."""
    attached = []

    def made(file: Path) -> Device:
        said = subprocess.run(["losetup", "--find", "--show", file], capture_output=True, text=True, check=True)
        attached.append(said.stdout.strip())
        return look(Path(attached[-1]))

    yield made
    for device in attached:
        subprocess.run(["losetup", "--detach", device], check=True)


def silent(_step: str, _done: int, _total: int) -> None:
    """For who does not look."""


def test_what_is_written_is_on_the_medium(source: Source, attach: Attach, tmp_path: Path) -> None:
    file, told = tmp_path / "medium", []
    file.write_bytes(RUBBISH * (source.size + MIB))
    device = attach(file)
    flash(source, device, lambda: look(Path(device.path)), lambda *step: told.append(step))
    assert 10 * MIB < source.to_write < source.size, "what is empty at the end is left out"
    with file.open("rb") as medium, source.path.open("rb") as image:
        assert medium.read(source.to_write) == image.read(source.to_write)
        assert medium.read().strip(RUBBISH) == b""
    assert [step for step in told if step[1] == step[2]] == [
        ("writing", source.to_write, source.to_write),
        ("reading back", source.to_write, source.to_write),
    ]


def test_what_somebody_has_mounted_is_not_touched(source: Source, attach: Attach, tmp_path: Path) -> None:
    file = tmp_path / "medium"
    with file.open("wb") as empty:
        empty.truncate(source.size)
    device = attach(file)
    subprocess.run(["/sbin/mkfs.ext2", "-q", device.path], check=True)
    # In a namespace of its own, where lsblk does not see it.
    script = 'mount "$0" /mnt && echo mounted && read wait'
    argv = ["unshare", "--mount", "sh", "-c", script, device.path]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "mounted\n"
        before = file.read_bytes()
        with pytest.raises(UsageError, match="is in use by somebody"):
            flash(source, device, lambda: look(Path(device.path)), silent)
        assert file.read_bytes() == before
        holder.communicate("\n")


def test_a_medium_that_fails_is_told_and_starts_nothing(source: Source, attach: Attach, tmp_path: Path) -> None:
    # A disk of 8 MiB behind a medium that says it is larger: writing fails in the middle.
    small = tmp_path / "small"
    small.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", small], check=True)
    try:
        with (small / "medium").open("wb") as file:
            file.write(source.path.read_bytes()[:FIRST])
            file.truncate(source.size)
        device = attach(small / "medium")
        said = r"was pulled out, or fails, .*No space left on device.*Plug it in again"
        with pytest.raises(DeployError, match=said) as told:
            flash(source, device, lambda: look(Path(device.path)), silent)
        assert told.value.exit_code == 1
        with (small / "medium").open("rb") as file:
            assert file.read(FIRST) == bytes(FIRST), "a partition table that was there before is gone as well"
    finally:
        subprocess.run(["umount", "--lazy", small], check=True)


def test_a_medium_that_forgets_is_found_out(source: Source, attach: Attach, tmp_path: Path) -> None:
    file = tmp_path / "medium"
    with file.open("wb") as empty:
        empty.truncate(source.size)
    device = attach(file)

    def forget(step: str, done: int, _total: int) -> None:
        if step == "reading back" and done == 4 * MIB:
            with file.open("r+b") as medium:
                medium.seek(9 * MIB)
                medium.write(bytes(100))

    with pytest.raises(DeployError, match=r"does not give back what was written to it, at 8\.0 MiB"):
        flash(source, device, lambda: look(Path(device.path)), forget)
    with file.open("rb") as medium:
        assert medium.read(FIRST) == bytes(FIRST), "nothing starts from it"


def test_another_device_in_its_place_is_left_alone(source: Source, attach: Attach, tmp_path: Path) -> None:
    file = tmp_path / "medium"
    file.write_bytes(RUBBISH * source.size)
    device = attach(file)
    for other in (replace(device, serial="another"), replace(device, size=device.size + 512)):
        with pytest.raises(UsageError, match="is another device than it was"):
            flash(source, device, lambda other=other: other, silent)
    larger = replace(device, size=device.size + 512)
    with pytest.raises(UsageError, match="is another device than it was"):
        flash(source, larger, lambda: larger, silent)
    assert file.read_bytes().strip(RUBBISH) == b""


@pytest.mark.parametrize("more", [(), ("--yes", "loop0 48.0 MB")])
def test_the_command_refuses_it_for_it_is_no_stick(
    source: Source, attach: Attach, tmp_path: Path, more: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "medium").write_bytes(RUBBISH * source.size)
    device = attach(tmp_path / "medium")
    with pytest.raises(SystemExit) as ended:
        main(["image", "flash", str(source.path), device.path, *more])
    assert (ended.value.code, capsys.readouterr().out) == (2, "")
    assert (tmp_path / "medium").read_bytes().strip(RUBBISH) == b""
