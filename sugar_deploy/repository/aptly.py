"""aptly with its own database, in which sets of packages become the indexes of a tree."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.files import write_atomically
from sugar_deploy.keys.gpg import clean_environment
from sugar_deploy.repository.contents import Contents
from sugar_deploy.repository.debs import ARCHITECTURES, COMPONENT, Deb
from sugar_deploy.repository.record import Record
from sugar_deploy.repository.tree import remove

AT_ONCE = 500
"""Packages named in one command."""


class AptlyError(DeployError):
    """aptly failed, or its database is damaged."""


@dataclass(frozen=True, slots=True)
class Aptly:
    """aptly under ROOT; `inherited` are descriptors that its children keep open."""

    root: Path
    inherited: tuple[int, ...] = ()

    @property
    def configuration(self) -> Path:
        """Its configuration file, so that it never reads or writes ~/.aptly.conf."""
        return self.root / "aptly.conf"

    @property
    def public(self) -> Path:
        """Where it publishes."""
        return self.root / "public"

    @property
    def unfinished(self) -> Path:
        """There while aptly works, and after it was killed at work."""
        return self.root / "unfinished"

    def prepare(self) -> None:
        """Make the area; repair its database if the last one who worked here was killed."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(self.configuration, json.dumps(_configuration(self.root), indent=1) + "\n")
        if self.unfinished.exists() and (self.root / "db").exists():
            self.run("db", "recover")
        self.unfinished.touch()

    def finish(self) -> None:
        """Note that the work is complete."""
        self.unfinished.unlink(missing_ok=True)

    def reset(self) -> None:
        """Forget everything: the next publication starts from the packages alone."""
        remove(self.root)

    def run(self, *arguments: str) -> str:
        """aptly's standard output; raises AptlyError with what it said."""
        result = subprocess.run(
            ["aptly", f"-config={self.configuration}", *arguments],
            env=clean_environment(),
            pass_fds=self.inherited,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            umask=0o022,
        )
        if result.returncode:
            said = "\n".join((result.stdout + result.stderr).strip().splitlines()[-10:])
            raise AptlyError(f"aptly {' '.join(arguments[:2])} failed:\n{said}\n")
        return result.stdout

    def names(self, what: str) -> list[str]:
        """The names of all repos, snapshots or publications."""
        return self.run(what, "list", "-raw").splitlines()

    def publish(self, snapshot: str, contents: Contents, origin: str, former: Iterable[Record]) -> None:
        """Make a snapshot of each suite's packages and publish it, unsigned.

        Of FORMER snapshots, the first that aptly still has is what the new one starts from: packages that were
        there before are not read again.
        """
        known, repos = set(self.names("snapshot")), set(self.names("repo"))
        published = {line.split()[-1] for line in self.names("publish")}
        before = tuple(former)
        for suite, debs in sorted(contents.by_suite.items()):
            name = f"{snapshot}-{suite}"
            if name not in known:
                # A local repo of that name is what a killed run left: nobody knows how complete.
                if name in repos:
                    self.run("repo", "drop", "-force", name)
                base = next((record for record in before if f"{record.id}-{suite}" in known), None)
                self._fill(name, suite, debs, base)
                self.run("snapshot", "create", name, "from", "repo", name)
            if suite in published:
                self.run("publish", "switch", *OPTIONS, suite, name)
            else:
                self.run("publish", "snapshot", *OPTIONS, *publish_options(suite, origin), name)
        for suite in sorted(published - set(contents.suites)):
            self.run("publish", "drop", "-force-drop", suite)
        self._drop_old({f"{snapshot}-{suite}" for suite in contents.suites})

    def _fill(self, name: str, suite: str, debs: Sequence[Deb], base: Record | None) -> None:
        """A local repo with exactly these packages."""
        if base is None:
            self.run("repo", "create", name)
            self._add(name, debs)
            return
        self.run("repo", "create", name, "from", "snapshot", f"{base.id}-{suite}")
        wanted = {(deb.name, deb.version, deb.architecture, deb.sha256) for deb in debs}
        there = {(item.name, item.version, item.architecture, item.sha256) for item in base.suites[suite]}
        gone = ["_".join(one[:3]) for one in sorted(there - wanted)]
        for start in range(0, len(gone), AT_ONCE):
            self.run("repo", "remove", name, *gone[start : start + AT_ONCE])
        self._add(name, [deb for deb in debs if (deb.name, deb.version, deb.architecture, deb.sha256) not in there])

    def _add(self, name: str, debs: Sequence[Deb]) -> None:
        """Add packages, by hard links where that is possible: aptly moves what it finds in a folder."""
        if not debs:
            return
        incoming = self.root / "incoming"
        shutil.rmtree(incoming, ignore_errors=True)
        incoming.mkdir()
        for deb in debs:
            _bring(deb, incoming / file_name(deb))
        self.run("repo", "add", "-remove-files", name, str(incoming))
        shutil.rmtree(incoming)

    def _drop_old(self, current: set[str]) -> None:
        """Keep nothing but the current snapshots and their packages: former trees are kept elsewhere."""
        for repo in self.names("repo"):
            self.run("repo", "drop", "-force", repo)
        old = [name for name in self.names("snapshot") if name not in current]
        for name in old:
            self.run("snapshot", "drop", name)
        if old:
            self.run("db", "cleanup")


def file_name(deb: Deb) -> str:
    """A package's name in the pool: with its epoch, so that no two packages have one name, and without a colon."""
    return f"{deb.name}_{deb.version.replace(':', '_')}_{deb.architecture}.deb"


def _bring(deb: Deb, target: Path) -> None:
    """A package in another place: a link, except for the deployer's own files, which they may change in place."""
    if deb.origin != "deployer":
        try:
            os.link(deb.path, target)
            return
        except OSError:  # on another file system, or on one without hard links
            pass
    shutil.copyfile(deb.path, target)


def _configuration(root: Path) -> dict[str, object]:
    return {
        "rootDir": str(root.resolve()),
        "architectures": [],
        "gpgProvider": "gpg",
        "skipContentsPublishing": True,
        "skipLegacyPool": True,
        "databaseOpenAttempts": 30,
        "FileSystemPublishEndpoints": {},
        "S3PublishEndpoints": {},
        "SwiftPublishEndpoints": {},
    }


OPTIONS = ("-batch", "-skip-signing", "-skip-bz2", "-skip-contents", "-force-overwrite")
"""For `aptly publish`: unsigned, because it signs with one key only; a rebuilt package may replace one of its
version."""


def publish_options(suite: str, origin: str) -> tuple[str, ...]:
    """For a suite's first publication."""
    return (
        "-acquire-by-hash",
        f"-architectures={','.join(ARCHITECTURES)}",
        f"-distribution={suite}",
        f"-component={COMPONENT}",
        f"-origin={origin}",
        f"-label={origin}",
    )
