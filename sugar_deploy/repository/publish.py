"""Publishes a deployment's packages as a signed repository, each state of them as a snapshot of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.keys.repository_key import SigningKey
from sugar_deploy.repository.build import quiet
from sugar_deploy.repository.contents import Contents
from sugar_deploy.repository.derive.systems import System
from sugar_deploy.repository.gather import gather
from sugar_deploy.repository.record import Record
from sugar_deploy.repository.rpm.yum import built_yum
from sugar_deploy.repository.work import Work, working
from sugar_deploy.scenario.plan import Plan

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Publication:
    """What is published now, and whether this run changed it."""

    record: Record
    changed: bool
    keys: tuple[SigningKey, ...]
    pinned: bool = False

    @property
    def snapshot(self) -> str:
        """Its id."""
        return self.record.id

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        return {
            "snapshot": self.record.id,
            "serial": self.record.serial,
            "published_at": self.record.published_at,
            "changed": self.changed,
            "pinned": self.pinned,
            "distributions": sorted(self.record.suites),
            "fingerprints": [key.fingerprint for key in self.keys],
            "packages": [
                {"name": one.name, "version": one.version, "architecture": one.architecture, "sha256": one.sha256}
                for one in self.record.items
            ],
        }


def publish(
    folder: Folder,
    plan: Plan,
    say: Say = quiet,
    *,
    systems: Sequence[System] = (),
    sources: Path | None = None,
    latest: bool = False,
) -> Publication:
    """Gather the deployment's packages, for the SYSTEMS of its images too, and publish them.

    There is no work if nothing has changed.
    After a rollback, the snapshot that it chose stays published, until LATEST is asked for.
    """
    name, keep = plan.deployment.name, plan.deployment.repository.keep
    with working(folder, name, say) as work:
        if (pinned := work.history.pinned()) and not latest:
            say(f"Snapshot {pinned} is pinned by a rollback; `repo publish --latest` ends that")
            return return_to(work, work.history.find(pinned))
        keys = folder.repository_key.read_text()
        contents = gather(folder, plan, keys, say, systems=systems, sources=sources, proved=work.proved)
        done = release(work, contents, built_yum(folder, plan, say), keep)
        # Only now: had anything failed, the former choice would stand.
        work.history.unpin()
        return done


def release(work: Work, contents: Contents, yum: Path | None, keep: int) -> Publication:
    """Publish contents, and beside them a yum repository, unless just that is published."""
    snapshot = work.snapshot_of(contents, yum)
    if (record := work.published_as(snapshot)) is None:
        record = work.again(snapshot) or work.anew(snapshot, contents, yum)
        changed = True
    else:
        changed = False
    work.history.remember(record)
    work.history.prune(keep, record.id)
    return Publication(record, changed, work.keys)


def rollback(folder: Folder, deployment: str, name: str, say: Say = quiet) -> Publication:
    """Publish a former snapshot again, and pin it."""
    with working(folder, deployment, say) as work:
        record = work.history.find(name)
        work.history.require_tree(record)
        done = return_to(work, record)
        work.history.pin(record.id)
        return done


def return_to(work: Work, record: Record) -> Publication:
    """Publish a snapshot that is kept, unless it is published."""
    if work.published_as(record.id):
        return Publication(record, False, work.keys, pinned=True)
    work.history.require_tree(record)
    if not set(record.fingerprints) & {key.fingerprint for key in work.keys}:
        raise DeployError(
            f"snapshot {record.id} is from before the signing key was changed, and the key of then is retired: "
            "machines that went back to it would no longer trust the repository",
            "Choose a later one: sugar-deploy repo snapshots",
        )
    if work.again(record.id) is None:
        raise DeployError(
            f"the packages that were kept of snapshot {record.id} are damaged",
            "What is published is unchanged. Choose another one: sugar-deploy repo snapshots",
        )
    return Publication(record, True, work.keys, pinned=True)
