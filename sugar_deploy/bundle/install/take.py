"""From the stick onto the server's disk: what the server lacks is copied, the rest linked, and all of it proved.

Ansible then reads from the disk alone, so that a stick pulled out later does no harm. A file of the stick is read
once, even over several attempts: what an interrupted one has copied is used again after its hash has been checked.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from sugar_deploy.bundle.install.room import MARGIN_BYTES, WHEELS_UNPACK, Need, require_room, unpacked_bytes
from sugar_deploy.bundle.install.server import Server
from sugar_deploy.bundle.install.stick import Unreadable, read, reading, require_whole
from sugar_deploy.bundle.layout import PROJECT, REPOSITORY, Layout
from sugar_deploy.bundle.manifest import BadManifest, Entry, Manifest
from sugar_deploy.errors import DeployError
from sugar_deploy.files import sha256_of, to_disk
from sugar_deploy.render.carried import CarriedFile, state_of

Report = Callable[[int, int], None]
"""Told how many bytes are proved, of how many."""


def repository_files(manifest: Manifest) -> tuple[CarriedFile, ...]:
    """The repository as it will be, whether from the stick or from the server."""
    prefix = f"{REPOSITORY}/"
    return tuple(
        CarriedFile(entry.path.removeprefix(prefix), entry.size, entry.sha256)
        for entry in (*manifest.files, *manifest.held)
        if entry.path.startswith(prefix)
    )


def repository_folder(server: Server, manifest: Manifest) -> Path:
    """Where the repository of a bundle lies on the server, as the role `repository` names it."""
    return server.state / f"repository-{state_of(repository_files(manifest))[:16]}"


def require_parts(manifest: Manifest) -> None:
    """Refuse a bundle that lacks what an installation needs, or that leaves to the server what it never had."""
    paths = {entry.path for entry in manifest.files}
    if PROJECT not in paths or not any(path.startswith(f"{REPOSITORY}/dists/") for path in paths):
        raise BadManifest("the bundle holds no project or no repository", "Write the stick again")
    if odd := [entry.path for entry in manifest.held if not entry.path.startswith(f"{REPOSITORY}/")]:
        raise BadManifest(f"the bundle leaves {odd[0]} to the server, which never had it", "Write the stick again")


@dataclass(slots=True)
class Taking:
    """Takes one bundle."""

    layout: Layout
    server: Server
    manifest: Manifest
    besides: frozenset[str]
    """Files outside the repository that are copied, too; all others are only proved."""
    report: Report = lambda _done, _total: None
    _done: int = field(default=0, init=False)
    _total: int = field(default=0, init=False)
    _held: frozenset[Entry] = field(default=frozenset(), init=False)
    _folder: Path = field(default=Path(), init=False)
    _whole: bool = field(default=False, init=False)
    _states: tuple[Path, ...] = field(default=(), init=False)

    def __post_init__(self) -> None:
        self._held = frozenset(self.manifest.held)
        self._total = sum(entry.size for entry in (*self.manifest.files, *self.manifest.held))
        self._folder = repository_folder(self.server, self.manifest)
        self._states = self.server.states()

    def run(self) -> None:
        """Prove every file; raises DeployError, leaving the server as it was.

        What was copied stays for the next attempt if the stick went away or the run was interrupted.
        """
        require_whole(self.layout, self.manifest)
        self._whole = self._has_it()
        self._require_space()
        try:
            self._make_room()
            for entry in (*self.manifest.held, *self.manifest.files):
                self._one(entry)
            _settle(self.server.incoming)
        except Unreadable:
            raise
        except DeployError:
            shutil.rmtree(self.server.incoming, ignore_errors=True)
            raise

    @property
    def repository(self) -> Path:
        """Where the repository lies now."""
        return self._folder if self._whole else self.server.incoming / REPOSITORY

    def place(self) -> Path:
        """Give the taken repository its name among the server's own."""
        if not self._whole:
            rotten = self._folder.with_name(f".{self._folder.name}.rotten")
            shutil.rmtree(rotten, ignore_errors=True)
            if self._folder.is_dir():
                self._folder.rename(rotten)
            self.repository.rename(self._folder)
            to_disk(self._folder.parent)
            shutil.rmtree(rotten, ignore_errors=True)
            self._whole = True
        return self._folder

    def _has_it(self) -> bool:
        """Whether the server has this very repository already, and every byte of it is right."""
        entries = (entry for entry in (*self.manifest.held, *self.manifest.files) if _of_repository(entry))
        return self._folder.is_dir() and all(_is(self._folder / _inside(entry), entry) for entry in entries)

    def _copied(self, entry: Entry) -> bool:
        return not self._whole if _of_repository(entry) else entry.path in self.besides

    def _require_space(self) -> None:
        copied = [entry for entry in self.manifest.files if self._copied(entry)]
        new = [entry for entry in copied if not self._before(entry)]
        lacking = sum(entry.size for entry in new if not _of_size(self.server.incoming / entry.path, entry.size))
        wheels = sum(entry.size for entry in copied if entry.path.endswith(".whl"))
        require_room(
            (
                Need(self.server.state, lacking, "the files of the stick"),
                Need(self.server.root / "usr", self._unpacked(new), "what is installed from them"),
                Need(self.server.tools, WHEELS_UNPACK * wheels, "sugar-deploy itself"),
                Need(self.server.state, MARGIN_BYTES, "what is written meanwhile"),
            )
        )

    def _before(self, entry: Entry) -> bool:
        """Whether a former stick has brought a file, as far as its size tells."""
        inside = _inside(entry)
        return _of_repository(entry) and any(_of_size(state / inside, entry.size) for state in self._states)

    def _unpacked(self, new: Iterable[Entry]) -> int:
        """What is installed from new packages takes; nothing where their index is not what was signed.

        Of that, the proof tells later, and better.
        """
        name = f"{REPOSITORY}/dists/{self.server.suite()}/main/binary-{self.server.architecture()}/Packages"
        signed = next((entry.sha256 for entry in self.manifest.files if entry.path == name), "")
        with reading(self.layout.root):
            index = self.layout.file(name).read_bytes() if signed else b""
        if hashlib.sha256(index).hexdigest() == signed:
            with contextlib.suppress(ValueError, KeyError):
                brought = {_inside(entry) for entry in new}
                return unpacked_bytes(index.decode(errors="replace"), brought, self.server.packages())
        return 0

    def _make_room(self) -> None:
        incoming = self.server.incoming
        self.server.state.mkdir(mode=0o755, parents=True, exist_ok=True)
        incoming.mkdir(mode=0o700, exist_ok=True)
        wanted = {entry.path for entry in (*self.manifest.files, *self.manifest.held) if self._copied(entry)}
        for path in [path for path in incoming.rglob("*") if not path.is_dir() or path.is_symlink()]:
            if str(path.relative_to(incoming)) not in wanted:
                path.unlink()
        for folder in sorted({str((incoming / path).parent) for path in wanted}):
            Path(folder).mkdir(parents=True, exist_ok=True)

    def _places(self, entry: Entry) -> Iterable[Path]:
        """Where the server may have a file already: what an earlier attempt copied, then its repositories."""
        yield self.server.incoming / entry.path
        for state in self._states if _of_repository(entry) else ():
            yield state / _inside(entry)

    def _one(self, entry: Entry) -> None:
        target = self.server.incoming / entry.path if self._copied(entry) else None
        if target is None:
            self._prove(entry)
            return
        if _is(target, entry):
            self._tell(entry.size)
            return
        mine = next((path for path in self._places(entry) if path != target and _is(path, entry)), None)
        if mine is None and entry in self._held:
            raise BadManifest(
                f"this server lacks {entry.path}, which the bundle leaves to it: it builds upon a snapshot that this "
                "server was never given, or the server's copy is damaged",
                "Use a complete bundle",
            )
        if mine:
            _link_or_copy(mine, target)
            self._prove(entry)
        else:
            read(self.layout, entry, target, self._tell)

    def _prove(self, entry: Entry) -> None:
        """Read what is on the stick, though the server has no need of it: a bad stick is told of."""
        if entry in self._held:
            self._tell(entry.size)
        else:
            read(self.layout, entry, None, self._tell)

    def _tell(self, size: int) -> None:
        self._done += size
        self.report(self._done, self._total)


def _of_repository(entry: Entry) -> bool:
    return entry.path.startswith(f"{REPOSITORY}/")


def _inside(entry: Entry) -> str:
    return entry.path.removeprefix(f"{REPOSITORY}/")


def _of_size(path: Path, size: int) -> bool:
    try:
        status = path.lstat()
    except OSError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size


def _is(path: Path, entry: Entry) -> bool:
    try:
        return _of_size(path, entry.size) and sha256_of(path) == entry.sha256
    except OSError:
        return False  # A bad block on the server's disk: the file is brought anew.


def _link_or_copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _settle(incoming: Path) -> None:
    """Readable for apt's own user, and on the disk itself."""
    repository = incoming / REPOSITORY
    for path in (repository, *repository.rglob("*")) if repository.is_dir() else ():
        path.chmod(0o755 if path.is_dir() else 0o644)
    descriptor = os.open(incoming, os.O_RDONLY | os.O_DIRECTORY)
    try:
        ctypes.CDLL(None).syncfs(descriptor)
    finally:
        os.close(descriptor)
