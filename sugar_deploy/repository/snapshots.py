"""The history of a repository: records for good, trees for as long as one may want to go back to them.

repository/serial               the latest serial number, for version control: a clone carries on from it
repository/pinned               the id of the snapshot that `rollback` has chosen, until `publish --latest`
repository/snapshots/ID.json    the record of a snapshot, once it has been published
repository/kept/ID/             its tree, by hard links: what is the same in two snapshots is there once
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.files import write_atomically
from sugar_deploy.folder import Folder
from sugar_deploy.repository.record import Record, read
from sugar_deploy.repository.tree import RECORD, link_tree, remove


@dataclass(frozen=True, slots=True)
class History:
    """What was published of a deployment, and what can be published again."""

    folder: Folder

    @property
    def _records(self) -> Path:
        return self.folder.repository / "snapshots"

    @property
    def _trees(self) -> Path:
        return self.folder.repository / "kept"

    @property
    def _pin(self) -> Path:
        return self.folder.repository / "pinned"

    @property
    def _serial(self) -> Path:
        return self.folder.repository / "serial"

    def records(self) -> tuple[Record, ...]:
        """Every snapshot that was published, in order of its serial number."""
        paths = [path for path in self._records.glob("*.json") if "." not in path.stem]
        found = [record for path in paths if (record := read(path))]
        return tuple(sorted(found, key=lambda record: record.serial))

    def published(self) -> Record | None:
        """The record in the published tree."""
        return read(self.folder.published / RECORD)

    def record(self, name: str) -> Record | None:
        """The record of a snapshot by its whole id."""
        return read(self._record_file(name))

    def find(self, name: str) -> Record:
        """A snapshot by its id, or by a beginning of it that no other has; raises UsageError."""
        records = self.records()
        matching = [record for record in records if name and record.id.startswith(name)]
        if len(matching) == 1:
            return matching[0]
        wrong = f"several snapshots begin with {name}" if matching else f"no snapshot {name} is known here"
        known = ", ".join(f"{record.id} (number {record.serial})" for record in reversed(matching or records))
        raise UsageError(wrong, f"Known are {known}" if known else "Publish first: sugar-deploy repo publish")

    def chosen(self, name: str) -> Record:
        """A snapshot by its id or a beginning of it; without one, what is published."""
        if name:
            return self.find(name)
        if record := self.published():
            return record
        raise DeployError("nothing is published", f"Publish: sugar-deploy repo publish -C {self.folder.root}")

    def tree(self, record: Record) -> Path | None:
        """A snapshot's packages and indexes, if they are still kept."""
        path = self._trees / record.id
        return path if path.is_dir() else None

    def package(self, record: Record, filename: str) -> Path | None:
        """A package's file, if it is still kept."""
        tree = self.tree(record)
        return tree / filename if tree and (tree / filename).is_file() else None

    def require_tree(self, record: Record) -> Path:
        """A snapshot's tree; raises DeployError with a list of those that are still there."""
        if tree := self.tree(record):
            return tree
        kept = [f"{one.id} (number {one.serial})" for one in reversed(self.records()) if self.tree(one)]
        raise DeployError(
            f"the packages of snapshot {record.id} (number {record.serial}) are no longer kept",
            f"Choose one of {', '.join(kept)}; repository.keep says how many are kept" if kept else "Publish anew",
        )

    def next_serial(self) -> int:
        """A number above all that were given."""
        return self.newest() + 1

    def newest(self) -> int:
        """The highest number that was given, here or where this folder was cloned from; 0: none yet."""
        numbers = [record.serial for record in self.records()]
        if published := self.published():
            numbers.append(published.serial)
        with contextlib.suppress(OSError, ValueError):
            numbers.append(int(self._serial.read_text()))
        return max(numbers, default=0)

    def heal(self) -> None:
        """Bring records and trees in line after a publication that was killed."""
        record: Record | None = None
        with contextlib.suppress(DeployError):  # a damaged one is published anew
            record = self.published()
        if record and not self._record_file(record.id).exists():
            self.remember(record)
        for tree in self._trees.glob("*"):
            if not self._record_file(tree.name).exists():
                remove(tree)

    def keep(self, name: str, staged: Path) -> None:
        """Keep a staged tree, before it is published."""
        self._trees.mkdir(exist_ok=True, mode=0o700)
        target = self._trees / name
        if not target.exists():
            draft = self._trees / f".{name}"
            link_tree(staged, draft)
            draft.rename(target)

    def remember(self, record: Record) -> None:
        """Write down a snapshot that is published now; a record is never changed."""
        self._records.mkdir(exist_ok=True, mode=0o755)
        if not self._record_file(record.id).exists():
            write_atomically(self._record_file(record.id), record.text(), 0o644)
        if not self._serial.exists() or self._serial.read_text() != f"{self.newest()}\n":
            write_atomically(self._serial, f"{self.newest()}\n", 0o644)

    def forget(self, name: str) -> None:
        """Drop a snapshot's tree."""
        remove(self._trees / name)

    def prune(self, keep: int, current: str) -> None:
        """Drop the trees of all but the latest KEEP snapshots and the current one; the records stay."""
        latest = {record.id for record in self.records()[-keep:]} | {current, self.pinned()}
        for tree in self._trees.glob("*"):
            if tree.name not in latest:
                remove(tree)

    def pinned(self) -> str | None:
        """The id of the snapshot that a rollback has chosen."""
        try:
            return self._pin.read_text().strip() or None
        except FileNotFoundError:
            return None

    def pin(self, name: str) -> None:
        """Let this snapshot be what is published until further notice."""
        write_atomically(self._pin, f"{name}\n", 0o644)

    def unpin(self) -> None:
        """Let the latest be what is published."""
        self._pin.unlink(missing_ok=True)

    def _record_file(self, name: str) -> Path:
        return self._records / f"{name}.json"
