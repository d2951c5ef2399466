"""Sticks made of real filesystems, and a bundle signed by a real key."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sugar_deploy.bundle.beside import install_script, readme
from sugar_deploy.bundle.layout import Layout
from sugar_deploy.bundle.manifest import Manifest, signature
from sugar_deploy.bundle.parts import Piece, piece
from sugar_deploy.bundle.write import Bundle
from sugar_deploy.keys.gpg import Gpg, opened

from .lima import home, lima, stick

__all__ = ["home", "lima", "stick"]

MIB = 2**20


@dataclass(frozen=True)
class LoopStick:
    """An ext4 image as a stick: mounted, and with its backing file, which a test may harm."""

    image: Path
    mount: Path

    @property
    def layout(self) -> Layout:
        return Layout(self.mount)

    def remount(self, *options: str) -> None:
        subprocess.run(["mount", "-o", ",".join(("remount", *options)), str(self.mount)], check=True)

    def replug(self) -> None:
        """Take it out without asking, and put it in again."""
        subprocess.run(["umount", "-l", str(self.mount)], check=True)
        subprocess.run(["mount", "-o", "loop", str(self.image), str(self.mount)], check=True)


@pytest.fixture
def loop_stick(tmp_path: Path) -> Iterator[Callable[..., LoopStick]]:
    """Makes sticks of so many MiB, of which the medium may really have fewer; unmounted when the test ends."""
    assert os.geteuid() == 0, "these tests mount images: run them as root"
    mounted: list[Path] = []

    def mount(*what: str) -> None:
        subprocess.run(["mount", *what], check=True)
        mounted.append(Path(what[-1]))

    def make(mebibytes: int, medium: int | None = None) -> LoopStick:
        area = tmp_path / f"medium{len(mounted)}"
        found = LoopStick(area / "stick.img", tmp_path / f"stick{len(mounted)}")
        found.mount.mkdir()
        area.mkdir()
        if medium:
            mount("-t", "tmpfs", "-o", f"size={medium}m", "tmpfs", str(area))
        with found.image.open("wb") as file:
            file.truncate(mebibytes * MIB)
        # Whoever owns the stick owns all of it: no blocks are kept for root.
        subprocess.run(["mkfs.ext4", "-q", "-m", "0", str(found.image)], check=True)
        mount("-o", "loop", str(found.image), str(found.mount))
        return found

    yield make
    for path in reversed(mounted):
        subprocess.run(["umount", "-l", str(path)], capture_output=True)


@dataclass(frozen=True)
class Maker:
    """Makes bundles of files of pseudo-random content, always the same."""

    gpg: Gpg
    fingerprint: str
    area: Path

    def bundle(self, files: dict[str, int], serial: int = 1) -> Bundle:
        pieces = tuple(sorted(self._piece(path, size) for path, size in files.items()))
        manifest = Manifest(
            deployment="lima",
            title="Lima",
            snapshot=f"{serial:012x}",
            serial=serial,
            since=None,
            created_at="2026-11-21T06:30:00Z",
            tool="0.1.0",
            schools=("san-martin",),
            suites=("bookworm",),
            architectures=("amd64",),
            fingerprints=(self.fingerprint,),
            files=tuple(one.entry for one in pieces),
        )
        text = manifest.text()
        key = self.gpg.run("--armor", "--export", self.fingerprint)
        signed = signature(text, self.gpg, [self.fingerprint])
        return Bundle(pieces, text, signed, key, install_script(), readme(manifest))

    def _piece(self, path: str, size: int) -> Piece:
        source = self.area / f"{hashlib.sha256(path.encode()).hexdigest()[:16]}-{size}"
        if not source.exists():
            source.write_bytes(hashlib.shake_128(f"{path} {size}".encode()).digest(size))
        return piece(path, source, "packages")


@pytest.fixture(scope="session")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Maker]:
    with opened(tmp_path_factory.mktemp("g"), "pass") as gpg:
        gpg.run("--quick-generate-key", "lima repository", "ed25519", "sign", "1y")
        listing = gpg.run("--with-colons", "--list-secret-keys").splitlines()
        fingerprint = next(line.split(":")[9] for line in listing if line.startswith("fpr:"))
        yield Maker(gpg, fingerprint, tmp_path_factory.mktemp("sources"))


class Steps:
    """A watcher that counts, and that may act in the middle of a step."""

    def __init__(self, step: str = "", after: int = 0, act: Callable[[], object] = lambda: None) -> None:
        self.begun: list[str] = []
        self._step, self._left, self._act = step, after, act

    def begin(self, step: str, total: int) -> None:
        self.begun.append(step)
        if total == 0 and step == self._step:
            self._left = -1

    def advance(self, amount: int) -> None:
        if self.begun[-1] == self._step and self._left >= 0:
            self._left -= amount
            if self._left < 0:
                self._act()


def hashes(root: Path) -> dict[str, str]:
    """Every file below a folder with its hash."""
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
