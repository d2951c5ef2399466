"""Writing onto a real filesystem that fills up, is taken away, fails, lies."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.bundle import device
from sugar_deploy.bundle.device import StickFailed
from sugar_deploy.bundle.filesystem import detect
from sugar_deploy.bundle.layout import Layout
from sugar_deploy.bundle.manifest import HalfCopied, read_verified
from sugar_deploy.bundle.place import place
from sugar_deploy.bundle.proof import prove
from sugar_deploy.bundle.watch import Unwatched
from sugar_deploy.bundle.write import BATCH_FILES, Bundle, write
from sugar_deploy.errors import DeployError, UsageError

from .conftest import MIB, LoopStick, Maker, Steps, hashes

FILES = {f"repository/pool/{number:02d}.deb": 700_000 + number for number in range(40)}
SMALL = {"project.tar": 20_000, "repository/dists/bookworm/InRelease": 900, "repository/snapshot": 13}

Sticks = Callable[..., LoopStick]


@pytest.fixture
def bundle(maker: Maker) -> Bundle:
    return maker.bundle(FILES | SMALL)


def expected(bundle: Bundle) -> dict[str, str]:
    return {f"sugar-deploy/{piece.path}": piece.sha256 for piece in bundle.pieces}


def test_the_stick_holds_exactly_the_bundle(bundle: Bundle, loop_stick: Sticks) -> None:
    stick = loop_stick(64)
    done = write(bundle, stick.layout, Unwatched())
    stick.replug()
    found = hashes(stick.mount)
    assert expected(bundle).items() <= found.items()
    others = found.keys() - expected(bundle).keys()
    ours = {"MANIFEST.json", "MANIFEST.json.asc", "key.asc", "BUNDLE.txt"}
    assert others == {f"sugar-deploy/{name}" for name in ours} | {"install.sh", "README.txt"}
    assert (done.written, done.kept) == (43, 0)
    assert prove(stick.mount, None, Unwatched()).whole


def test_a_second_run_writes_nothing(bundle: Bundle, loop_stick: Sticks) -> None:
    stick = loop_stick(64)
    write(bundle, stick.layout, Unwatched())
    before = stick.layout.manifest.stat()
    done = write(bundle, stick.layout, Unwatched())
    assert (done.written, done.kept, done.changed) == (0, 43, False)
    assert stick.layout.manifest.stat().st_mtime_ns == before.st_mtime_ns


def test_the_next_bundle_writes_what_differs_and_removes_what_is_gone(maker: Maker, loop_stick: Sticks) -> None:
    stick = loop_stick(64)
    write(maker.bundle(FILES | SMALL), stick.layout, Unwatched())
    (stick.mount / "photos").mkdir()
    (stick.mount / "photos/a.jpg").write_text("the school's own")
    later = {path: size for path, size in FILES.items() if not path.endswith("0.deb")} | SMALL | {"sbom.json": 5}
    done = write(maker.bundle(later, serial=2), stick.layout, Unwatched())
    assert (done.written, done.kept) == (1, 39)
    assert not (stick.layout.repository / "pool/00.deb").exists()
    assert (stick.mount / "photos/a.jpg").read_text() == "the school's own"
    assert read_verified(stick.layout, stick.layout.key).serial == 2


def test_killed_in_the_middle_it_is_half_copied_and_carries_on(
    maker: Maker, loop_stick: Sticks, tmp_path: Path
) -> None:
    bundle = maker.bundle(FILES | SMALL)
    stick = loop_stick(64)
    write(maker.bundle({"repository/old.deb": 1000}), stick.layout, Unwatched())
    child = os.fork()
    if child == 0:
        import sugar_deploy.bundle.write as room

        room.BATCH_BYTES = 4 * MIB
        write(bundle, stick.layout, Steps("Writing", 12 * MIB, lambda: os.kill(os.getpid(), signal.SIGKILL)))
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status)
    stick.replug()
    with pytest.raises(HalfCopied):
        read_verified(stick.layout, stick.layout.key)
    done = write(bundle, stick.layout, Unwatched())
    assert done.kept >= 10
    assert done.written == 43 - done.kept
    assert prove(stick.mount, None, Unwatched()).whole


def test_taken_away_in_the_middle_nothing_lands_on_the_deployers_disk(bundle: Bundle, loop_stick: Sticks) -> None:
    stick = loop_stick(64)
    away = Steps("Writing", 5 * MIB, lambda: subprocess.run(["umount", "-l", str(stick.mount)], check=True))
    with pytest.raises(StickFailed, match=r"has gone.*run the same command again") as gone:
        write(bundle, stick.layout, away)
    assert gone.value.exit_code == 1
    assert list(stick.mount.iterdir()) == []
    subprocess.run(["mount", "-o", "loop", str(stick.image), str(stick.mount)], check=True)
    with pytest.raises(HalfCopied):
        read_verified(stick.layout, stick.layout.key)
    write(bundle, stick.layout, Unwatched())
    assert prove(stick.mount, None, Unwatched()).whole


def test_a_stick_that_is_smaller_than_it_says_is_found_out(bundle: Bundle, loop_stick: Sticks) -> None:
    stick = loop_stick(64, medium=16)
    # Which error comes, and where, is a race in the kernel: of a write, of a flush, or once it has protected itself.
    reasons = "Input/output error|No space left on device|Read-only file system"
    with pytest.raises(StickFailed, match=rf"(fails|is read-only) \(({reasons})\).*use another stick"):
        write(bundle, stick.layout, Unwatched())


def test_a_full_stick_is_told_and_carries_on_with_more_room(bundle: Bundle, loop_stick: Sticks) -> None:
    stick = loop_stick(64)
    hog = stick.mount / "video.mp4"
    free = shutil.disk_usage(stick.mount).free
    with hog.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, free - 10 * MIB)
    with pytest.raises(StickFailed, match="no room left"):
        write(bundle, stick.layout, Unwatched())
    with pytest.raises(HalfCopied):
        read_verified(stick.layout, stick.layout.key)
    hog.unlink()
    write(bundle, stick.layout, Unwatched())
    assert prove(stick.mount, None, Unwatched()).whole


def test_a_write_protected_stick_is_told(bundle: Bundle, loop_stick: Sticks) -> None:
    stick = loop_stick(64)
    stick.remount("ro")
    with pytest.raises(StickFailed, match="read-only"):
        write(bundle, stick.layout, Unwatched())


def test_a_stick_that_fails_in_the_middle_is_told(bundle: Bundle, loop_stick: Sticks) -> None:
    stick = loop_stick(64)
    fails = Steps("Writing", 5 * MIB, lambda: _shut_down(stick.mount))
    with pytest.raises(StickFailed, match="run the same command again"):
        write(bundle, stick.layout, fails)


def _shut_down(mount: Path) -> None:
    """Have ext4 stop at once, as it does where the medium fails (EXT4_IOC_SHUTDOWN, without flushing its log)."""
    descriptor = os.open(mount, os.O_RDONLY)
    fcntl.ioctl(descriptor, 0x8004587D, struct.pack("I", 2))
    os.close(descriptor)


def test_a_stick_that_does_not_give_back_what_was_written_is_found_out(bundle: Bundle, loop_stick: Sticks) -> None:
    stick = loop_stick(64)
    victim = stick.layout.repository / "pool/07.deb"

    def spoil() -> None:
        data = bytearray(victim.read_bytes())
        data[5000] ^= 1
        victim.write_bytes(data)

    with pytest.raises(StickFailed, match=r"does not give back.*repository/pool/07\.deb"):
        write(bundle, stick.layout, Steps("Reading back", 0, spoil))
    with pytest.raises(HalfCopied):
        read_verified(stick.layout, stick.layout.key)
    assert not victim.exists()
    assert write(bundle, stick.layout, Unwatched()).written == 1


def test_damage_is_found_by_proving_and_mended_by_writing(bundle: Bundle, loop_stick: Sticks) -> None:
    stick = loop_stick(64)
    write(bundle, stick.layout, Unwatched())
    pool = stick.layout.repository / "pool"
    with (pool / "03.deb").open("r+b") as file:
        file.seek(1000)
        file.write(b"\0")
    (pool / "04.deb").unlink()
    (pool / "foreign.deb").write_text("not ours")
    proof = prove(stick.mount, None, Unwatched())
    assert proof.wrong == ("repository/pool/03.deb",)
    assert proof.missing == ("repository/pool/04.deb",)
    assert proof.foreign == ("repository/pool/foreign.deb",)
    assert write(bundle, stick.layout, Unwatched()).written == 2
    assert prove(stick.mount, None, Unwatched()).whole


def test_a_source_that_changes_while_it_is_copied_is_not_signed_for(maker: Maker, tmp_path: Path) -> None:
    bundle = maker.bundle({"project.tar": 2222})
    bundle.pieces[0].source.write_bytes(b"other")
    with pytest.raises(DeployError, match="Run the same command again"):
        write(bundle, Layout(tmp_path), Unwatched())
    assert not (tmp_path / "sugar-deploy/MANIFEST.json").exists()
    bundle.pieces[0].source.unlink()


def test_what_is_not_ours_is_not_touched(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "sugar-deploy").mkdir()
    (tmp_path / "sugar-deploy/setup.py").write_text("a checkout")
    with pytest.raises(UsageError, match="is not a bundle"):
        write(bundle, Layout(tmp_path), Unwatched())
    assert hashes(tmp_path).keys() == {"sugar-deploy/setup.py"}


def test_a_readme_of_somebody_else_is_not_overwritten(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "README.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"README\.txt is not ours"):
        write(bundle, Layout(tmp_path), Unwatched())
    assert (tmp_path / "README.txt").read_text() == "mine"


def test_links_planted_in_a_bundle_lead_nowhere(bundle: Bundle, tmp_path: Path) -> None:
    layout = Layout(tmp_path / "stick")
    layout.root.mkdir()
    write(bundle, layout, Unwatched())
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/keep").write_text("kept")
    shutil.rmtree(layout.repository / "pool")
    (layout.repository / "pool").symlink_to(tmp_path / "outside")
    write(bundle, layout, Unwatched())
    assert hashes(tmp_path / "outside").keys() == {"keep"}
    assert prove(layout.root, None, Unwatched()).whole


def test_killed_at_its_very_beginning_it_still_knows_its_own(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "sugar-deploy").mkdir()
    (tmp_path / "sugar-deploy/BUNDLE.txt.part").write_text("Writ")
    write(bundle, Layout(tmp_path), Unwatched())
    assert prove(tmp_path, None, Unwatched()).whole


def test_two_that_write_at_once(bundle: Bundle, tmp_path: Path) -> None:
    refused: list[str] = []

    def again() -> None:
        with pytest.raises(DeployError, match="another process writes") as told:
            write(bundle, Layout(tmp_path), Unwatched())
        refused.append(told.value.message)

    write(bundle, Layout(tmp_path), Steps("Writing", MIB, again))
    assert len(refused) == 1


def test_the_computed_room_is_what_ext4_takes(bundle: Bundle, loop_stick: Sticks) -> None:
    stick = loop_stick(64)
    filesystem = detect(stick.mount)
    assert (filesystem.kind, filesystem.mount) == ("ext4", str(stick.mount))
    write(bundle, stick.layout, Unwatched())
    used = filesystem.free - detect(stick.mount).free
    computed = filesystem.room([(f"sugar-deploy/{piece.path}", piece.size) for piece in bundle.pieces])
    assert computed * 0.98 < used <= computed + 64 * 1024


def test_room_that_a_former_bundle_takes_counts_as_free(bundle: Bundle, loop_stick: Sticks) -> None:
    stick = loop_stick(64)
    before = place(stick.layout, "auto", None)
    write(bundle, stick.layout, Unwatched())
    after = place(stick.layout, "auto", None)
    assert abs(after.free - before.free) < 100 * 1024


def moved() -> tuple[int, int]:
    """Bytes that this process has read and written so far, from and to whatever."""
    counts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(counts["rchar"]), int(counts["wchar"])


def test_every_byte_is_read_written_and_read_back_once(bundle: Bundle, tmp_path: Path) -> None:
    size = sum(piece.size for piece in bundle.pieces)
    before = moved()
    write(bundle, Layout(tmp_path), Unwatched())
    read, written = (after - earlier for after, earlier in zip(moved(), before, strict=True))
    assert size <= written < size + MIB
    assert 2 * size <= read < 2 * size + MIB
    before = moved()
    write(bundle, Layout(tmp_path), Unwatched())
    read, written = (after - earlier for after, earlier in zip(moved(), before, strict=True))
    assert size <= read < size + MIB, "what is there already is proved, and its source left alone"
    assert written < MIB


def test_small_files_go_to_the_stick_together(maker: Maker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A flush takes a slow stick longer than a small file: one for each of them would take hours.
    many = maker.bundle({f"repository/dists/{number:03d}": 100 for number in range(3 * BATCH_FILES)})
    flushed: list[Path] = []
    monkeypatch.setattr(device, "flush", flushed.append)
    one_by_one: list[int] = []
    monkeypatch.setattr(os, "fsync", one_by_one.append)
    write(many, Layout(tmp_path), Unwatched())
    assert 3 < len(flushed) < 10
    assert len(one_by_one) < 10
