"""Proves a published tree as apt would: signature → indexes → packages, every byte of it."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from sugar_deploy.errors import DeployError
from sugar_deploy.repository.control import release_entries, stanzas
from sugar_deploy.repository.dates import date_of, require_past
from sugar_deploy.repository.debs import snapshot_id
from sugar_deploy.repository.proved import Proved
from sugar_deploy.repository.record import Record, parse
from sugar_deploy.repository.rpm.layout import PUBLISHED_UNDER, SUMS
from sugar_deploy.repository.rpm.verify import YumFault, proved_files
from sugar_deploy.repository.signature import BadSignature, ClockBehind, check_detached, keyring, signed_text
from sugar_deploy.repository.tools import VERIFY_TOOLS, require
from sugar_deploy.repository.tree import RECORD, SNAPSHOT

BY_HASH = "SHA512"


class BrokenTree(DeployError):
    """A file of the published tree is not what it must be."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path} is broken: {why}", "Publish again: sugar-deploy repo publish")
        self.path = path
        self.why = why


@dataclass(frozen=True, slots=True, order=True)
class Published:
    """A package that a tree offers, for the distributions that list it."""

    name: str
    version: str
    architecture: str
    sha256: str
    size: int
    filename: str


@dataclass(slots=True)
class Report:
    """What was proved."""

    snapshot: str = ""
    serial: int = 0
    origin: str = ""
    fingerprints: tuple[str, ...] = ()
    """Of the trusted keys that signed everything."""
    distributions: list[str] = field(default_factory=list)
    packages: dict[Published, list[str]] = field(default_factory=dict)
    """Each package with the distributions that list it."""
    files: set[Path] = field(default_factory=set)

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return {
            "snapshot": self.snapshot,
            "serial": self.serial,
            "origin": self.origin,
            "fingerprints": list(self.fingerprints),
            "distributions": self.distributions,
            "files": len(self.files),
            "packages": [
                {
                    "name": package.name,
                    "version": package.version,
                    "architecture": package.architecture,
                    "size": package.size,
                    "sha256": package.sha256,
                    "distributions": distributions,
                }
                for package, distributions in sorted(self.packages.items())
            ],
        }


def verify(tree: Path, key: Path, proved: Proved | None = None) -> Report:
    """Prove every file of a published tree; raises BrokenTree naming the first that fails.

    KEY holds the trusted public keys: each part must be signed by one of them at least. Files that PROVED knows are
    not read again.
    """
    require(VERIFY_TOOLS, "the repository cannot be verified")
    if not tree.is_dir():
        raise DeployError(f"nothing is published: there is no {tree}", "Publish: sugar-deploy repo publish")
    record = _record(tree)
    check = _Check(tree, proved or Proved(), Report(record.id, record.serial))
    with keyring(key) as keys:
        for suite in sorted(record.suites):
            check.distribution(suite, keys)
        try:
            check.report.files |= proved_files(tree, keys)
        except YumFault as fault:
            raise BrokenTree(fault.path, fault.why) from None
    check.snapshot(record)
    return check.report


def listed(tree: Path, suite: str) -> dict[Published, dict[str, str]]:
    """A suite's packages with all their fields, as its indexes have them; raises BrokenTree."""
    found: dict[Published, dict[str, str]] = {}
    for index in sorted((tree / "dists" / suite).glob("*/binary-*/Packages")):
        for package, fields in _packages(index):
            found[package] = fields
    return found


@dataclass(slots=True)
class _Check:
    tree: Path
    proved: Proved
    report: Report

    def distribution(self, suite: str, keys: Path) -> None:
        folder = self.tree / "dists" / suite
        inline = folder / "InRelease"
        text = self._signatures(folder, keys)
        try:
            release = next(stanzas(text), {})
            entries = release_entries(release, "SHA256")
            by_hash = release_entries(release, BY_HASH) if release.get("Acquire-By-Hash") == "yes" else ()
        except ValueError as error:
            raise BrokenTree(inline, str(error)) from None
        if release.get("Codename") != suite:
            raise BrokenTree(inline, f"it is signed for {release.get('Codename')}, not for {suite}")
        require_past(date_of(text), self.tree, time.time())
        self.report.origin = release.get("Origin", "")
        self.report.distributions.append(suite)
        for entry in entries:
            index = _inside(folder, entry.name, inline)
            self._file(index, entry.digest, entry.size)
            if index.name == "Packages":
                self._index(index, suite)
        for entry in by_hash:
            copy = _inside(folder, entry.name, inline).parent / "by-hash" / BY_HASH / entry.digest
            if not copy.is_file():
                raise BrokenTree(copy, "it is missing")
        self._by_hash(folder)

    def _signatures(self, folder: Path, keys: Path) -> str:
        """What a distribution's InRelease signs; its detached twin must be signed as well."""
        inline, plain, detached = (folder / name for name in ("InRelease", "Release", "Release.gpg"))
        for file in (inline, plain, detached):
            if not file.is_file():
                raise BrokenTree(file, "it is missing")
        try:
            text, fingerprints = signed_text(inline, keys)
        except BadSignature as error:
            raise _bad_signature(inline, error) from None
        try:
            check_detached(detached, plain, keys)
        except BadSignature as error:
            raise _bad_signature(plain, error) from None
        before = self.report.fingerprints
        self.report.fingerprints = tuple(one for one in fingerprints if not before or one in before)
        self.report.files.update((inline, plain, detached))
        return text

    def _index(self, index: Path, suite: str) -> None:
        for package, _ in _packages(index):
            distributions = self.report.packages.setdefault(package, [])
            if not distributions:
                self._file(_inside(self.tree, package.filename, index), package.sha256, package.size)
            if suite not in distributions:
                distributions.append(suite)

    def _by_hash(self, folder: Path) -> None:
        """Every file under by-hash is what its name says, those of the previous publication too."""
        for file in sorted(folder.glob(f"*/*/by-hash/{BY_HASH}/*")):
            if hashlib.sha512(_read(file)).hexdigest() != file.name:
                raise BrokenTree(file, f"its {BY_HASH} is not its name")
            self.report.files.add(file)

    def _file(self, file: Path, sha256: str, size: int) -> None:
        try:
            actual = file.stat().st_size
            found = self.proved.sha256(file) if actual == size else ""
        except FileNotFoundError:
            raise BrokenTree(file, "it is missing") from None
        except OSError as error:
            raise BrokenTree(file, f"it cannot be read: {error.strerror}") from None
        if actual != size:
            raise BrokenTree(file, f"it has {actual} bytes instead of {size}")
        if found != sha256:
            raise BrokenTree(file, "its SHA-256 is not the one that was signed")
        self.report.files.add(file)

    def snapshot(self, record: Record) -> None:
        """The snapshot's name and its record fit what is signed."""
        name, file = self.tree / SNAPSHOT, self.tree / RECORD
        offered = {
            f"{suite} {one.name} {one.version} {one.architecture} {one.sha256} {one.filename}"
            for one, suites in self.report.packages.items()
            for suite in suites
        }
        written = {
            f"{suite} {one.name} {one.version} {one.architecture} {one.sha256} {one.filename}"
            for suite, items in record.suites.items()
            for one in items
        }
        if offered != written or record.deployment != self.report.origin:
            raise BrokenTree(file, "it does not describe what is published")
        try:
            named = name.read_text(errors="replace").strip()
        except OSError:
            raise BrokenTree(name, "it is missing") from None
        if not named == record.id == tree_id(self.tree, record):
            raise BrokenTree(name, "it does not name what is published")
        self.report.files.update((name, file))


def tree_id(tree: Path, record: Record) -> str:
    """The id of what a tree holds, for laptops too."""
    identities = {
        f"{suite} {one.name} {one.version} {one.architecture} {one.sha256}"
        for suite, items in record.suites.items()
        for one in items
    }
    return snapshot_id(identities | yum_identity(tree / PUBLISHED_UNDER), record.deployment)


def yum_identity(folder: Path | None) -> frozenset[str]:
    """What a yum repository adds to a snapshot's identities."""
    try:
        content = (folder / SUMS).read_bytes() if folder else b""
    except OSError:
        content = b""
    return frozenset({f"yum {hashlib.sha256(content).hexdigest()}"} if content else ())


def _record(tree: Path) -> Record:
    file = tree / RECORD
    try:
        return parse(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BrokenTree(file, "it is missing") from None
    except (OSError, ValueError) as error:
        raise BrokenTree(file, str(error)) from None


def _bad_signature(file: Path, error: BadSignature) -> DeployError:
    if isinstance(error, ClockBehind):
        return DeployError(f"{file} cannot be verified: {error}", "Set the clock: sudo timedatectl set-ntp true")
    return BrokenTree(file, str(error))


def _packages(index: Path) -> Iterator[tuple[Published, dict[str, str]]]:
    try:
        for fields in stanzas(_read(index).decode(errors="replace")):
            yield _published(fields), fields
    except (ValueError, KeyError) as error:
        raise BrokenTree(index, f"it is no list of packages: {error}") from None


def _published(fields: dict[str, str]) -> Published:
    return Published(
        fields["Package"],
        fields["Version"],
        fields["Architecture"],
        fields["SHA256"],
        int(fields["Size"]),
        fields["Filename"],
    )


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise BrokenTree(file, f"it cannot be read: {error.strerror}") from None


def _inside(folder: Path, name: str, named_by: Path) -> Path:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts:
        raise BrokenTree(named_by, f"it names {name}, outside the tree")
    return folder / path
