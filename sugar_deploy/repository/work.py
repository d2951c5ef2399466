"""Publishing in progress: the lock is held, the keys are open, the published tree is replaced whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from sugar_deploy import __version__
from sugar_deploy.errors import DeployError
from sugar_deploy.files import write_atomically
from sugar_deploy.folder import Folder
from sugar_deploy.keys.gpg import Gpg
from sugar_deploy.keys.repository_key import SigningKey, require_valid, signers, signing_keys
from sugar_deploy.repository.aptly import Aptly, AptlyError
from sugar_deploy.repository.contents import Contents
from sugar_deploy.repository.dates import next_date
from sugar_deploy.repository.debs import Deb, snapshot_id
from sugar_deploy.repository.lock import exclusive
from sugar_deploy.repository.proved import Proved
from sugar_deploy.repository.record import Item, Record
from sugar_deploy.repository.rpm.yum import add_yum
from sugar_deploy.repository.signing import sign_tree, sign_yum_again
from sugar_deploy.repository.snapshots import History
from sugar_deploy.repository.tools import PUBLISH_TOOLS, require
from sugar_deploy.repository.tree import RECORD, SNAPSHOT, link_tree, put_in_place, remove, stage
from sugar_deploy.repository.verify import BrokenTree, Published, listed, verify, yum_identity

Say = Callable[[str], None]
PATIENCE_SECONDS = 4 * 3600
"""How long to wait for another one at work, who may be downloading all of it on a slow line."""

# The working area holds a private key and rebuildable files; the public keys and the latest serial number may go
# into version control.
_GITIGNORE = "*\n!.gitignore\n!configuration.json\n!key.asc\n!serial\n"


@dataclass(frozen=True, slots=True)
class Work:
    """What publishing needs at hand."""

    folder: Folder
    deployment: str
    gpg: Gpg
    keys: tuple[SigningKey, ...]
    history: History
    proved: Proved
    aptly: Aptly
    say: Say

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """Of the keys that sign."""
        return signers(self.keys)

    @property
    def staged(self) -> Path:
        """The tree that is about to be published."""
        return self.folder.repository / "staged"

    def snapshot_of(self, contents: Contents, yum: Path | None) -> str:
        """The id of the snapshot that contents would be."""
        return snapshot_id(contents.identities | yum_identity(yum), self.deployment)

    def published_as(self, snapshot: str) -> Record | None:
        """The published record, if just this snapshot is published, whole, and signed by just these keys."""
        try:
            if (self.folder.published / SNAPSHOT).read_text(errors="replace").strip() != snapshot:
                return None
            report = verify(self.folder.published, self.folder.repository_key, self.proved)
        except OSError:
            return None
        except BrokenTree as broken:
            self.say(f"{broken.message}. Publishing it anew")
            # What is linked to it may have suffered as well.
            self.aptly.reset()
            self.history.forget(snapshot)
            return None
        record = self.history.published()
        wanted = set(self.fingerprints)
        signed = set(report.fingerprints) == wanted and record is not None and set(record.fingerprints) == wanted
        return record if signed else None

    def again(self, snapshot: str) -> Record | None:
        """Publish a tree that is kept, with today's date and keys; None if there is none, or a damaged one."""
        known = self.history.record(snapshot)
        kept = self.history.tree(known) if known else None
        if known is None or kept is None:
            return None
        self.say(f"Publishing snapshot {snapshot} again: {len(known.items)} packages, number {known.serial}")
        link_tree(kept, self.staged)
        sign_yum_again(self.gpg, self.fingerprints, kept, self.staged)
        try:
            return self._finish(known)
        except BrokenTree as broken:
            self.say(f"{broken.message}")
            self.history.forget(snapshot)
            return None

    def anew(self, snapshot: str, contents: Contents, yum: Path | None) -> Record:
        """Publish contents as a new snapshot."""
        self.say(f"Publishing snapshot {snapshot}: {len(contents.debs)} packages")
        self._warn_of_rebuilt(contents)
        try:
            return self._make(snapshot, contents, yum)
        except (AptlyError, BrokenTree) as error:
            _refuse_full_disk(error.message, self.folder.repository)
            # Its database or its pool has suffered; everything in it can be made again from the packages.
            self.say(f"{error.message.strip()}\nStarting again with an empty working area")
            self.aptly.reset()
            return self._make(snapshot, contents, yum)

    def _make(self, snapshot: str, contents: Contents, yum: Path | None) -> Record:
        self.aptly.prepare()
        self.aptly.publish(snapshot, contents, self.deployment, reversed(self.history.records()))
        stage(self.aptly.public, self.staged, contents.suites)
        if yum:
            add_yum(self.staged, yum, self.gpg, self.fingerprints)
        # Published before, and dropped since: the same content has the same name and number.
        before = self.history.record(snapshot)
        record = Record(
            id=snapshot,
            serial=before.serial if before else self.history.next_serial(),
            published_at=before.published_at if before else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            deployment=self.deployment,
            suites={suite: _items(self.staged, suite, debs) for suite, debs in contents.by_suite.items()},
            fingerprints=before.fingerprints if before else self.fingerprints,
            tool=before.tool if before else __version__,
        )
        done = self._finish(record)
        self.aptly.finish()
        return done

    def _finish(self, record: Record) -> Record:
        """Date, sign and prove the staged tree; keep it; and only then put it in place."""
        signed = replace(record, fingerprints=self.fingerprints)
        write_atomically(self.staged / SNAPSHOT, f"{record.id}\n", 0o644)
        write_atomically(self.staged / RECORD, signed.text(), 0o644)
        date = next_date(self.folder.published, time.time())
        sign_tree(self.gpg, self.fingerprints, self.staged, record.suites, date)
        verify(self.staged, self.folder.repository_key, self.proved)
        self.history.keep(record.id, self.staged)
        put_in_place(self.staged, self.folder.published)
        return record

    def _warn_of_rebuilt(self, contents: Contents) -> None:
        """Servers do not upgrade to a package that has changed under the version that they already have."""
        before: Record | None = None
        with contextlib.suppress(DeployError):
            before = self.history.published()
        known = {(one.name, one.version, one.architecture): one.sha256 for one in before.items} if before else {}
        for deb in contents.debs:
            if known.get((deb.name, deb.version, deb.architecture), deb.sha256) != deb.sha256:
                self.say(
                    f"{deb.name} has changed, but its version is {deb.version} as before: servers that have it "
                    "keep the old one. Give it a new version"
                )


@contextlib.contextmanager
def working(folder: Folder, deployment: str, say: Say) -> Iterator[Work]:
    """Hold the repository's lock and keys; what the disk refuses is told in the deployer's words."""
    require(PUBLISH_TOOLS, "the repository cannot be published")
    area = folder.repository
    try:
        area.mkdir(parents=True, exist_ok=True)
        if not (area / ".gitignore").exists() or (area / ".gitignore").read_text() != _GITIGNORE:
            write_atomically(area / ".gitignore", _GITIGNORE, 0o644)
        busy = f"another process publishes into {area}"
        with (
            exclusive(area / "lock", busy, say, timeout_seconds=PATIENCE_SECONDS) as held,
            signing_keys(folder, deployment) as (gpg, keys),
        ):
            if warning := require_valid(keys[0], folder):
                say(warning)
            history, proved = History(folder), Proved(area / "proved.json")
            history.heal()
            try:
                yield Work(folder, deployment, gpg, keys, history, proved, Aptly(area / "aptly", (held,)), say)
            finally:
                remove(area / "staged")
                proved.save()
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise _full(area) from error
        raise
    except DeployError as error:
        _refuse_full_disk(error.message, area)
        raise


def _items(tree: Path, suite: str, debs: tuple[Deb, ...]) -> tuple[Item, ...]:
    origins: Mapping[str, Deb] = {deb.identity: deb for deb in debs}
    found = []
    for package, fields in listed(tree, suite).items():
        deb = origins.get(f"{package.name} {package.version} {package.architecture} {package.sha256}")
        if deb is None:
            raise BrokenTree(tree / package.filename, "it is not the package that was to be published")
        found.append(_item(package, fields, deb))
    return tuple(sorted(found))


def _item(package: Published, fields: Mapping[str, str], deb: Deb) -> Item:
    source, _, version = fields.get("Source", package.name).partition(" ")
    return Item(
        package.name,
        package.version,
        package.architecture,
        package.sha256,
        package.size,
        source,
        version.strip("()") or package.version,
        deb.origin,
        package.filename,
        deb.required,
    )


def _refuse_full_disk(message: str, area: Path) -> None:
    if "no space left on device" in message.lower() or "disk quota exceeded" in message.lower():
        raise _full(area)


def _full(area: Path) -> DeployError:
    return DeployError(
        f"the disk that holds {area} is full",
        "Make room there, and publish again; what was published before is unchanged",
    )
