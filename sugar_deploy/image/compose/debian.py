"""Debian's packages of an image: chosen by apt, proved, and laid out for the stage that installs them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.image.compose.stage import Input
from sugar_deploy.repository.debs import Deb
from sugar_deploy.repository.derive.archive import KEYRING, Archive, DamagedIndex, area_name, now
from sugar_deploy.repository.derive.deriving import archive_cache
from sugar_deploy.repository.derive.faults import explain
from sugar_deploy.repository.derive.mirror import Mirror, debian_mirror
from sugar_deploy.repository.derive.resolver import Package, Resolver, Unresolved, write_own
from sugar_deploy.repository.derive.seeds import SMALLEST, Wanted
from sugar_deploy.repository.derive.store import Outdated, Store
from sugar_deploy.repository.lock import exclusive
from sugar_deploy.repository.record import Record
from sugar_deploy.repository.signature import BadSignature, keyring, signed_text
from sugar_deploy.scenario.plan import Plan

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Published(Mirror):
    """The deployment's own complete repository, in the place of a mirror."""

    def sources(self, suite: str) -> tuple[str, ...]:
        """It has no pockets: security updates are among the rest."""
        return (f"deb {self.main} {suite} main",)


@dataclass(frozen=True, slots=True)
class Chosen:
    """What apt chose, and where each package is by its SHA-256."""

    packages: tuple[Package, ...]
    files: Mapping[str, Path]

    def as_input(self) -> Input:
        """As a stage takes it; its identity depends on the packages' content alone."""
        identity = hashlib.sha256("\n".join(one.sha256 for one in self.packages).encode()).hexdigest()
        named = {f"{number}.deb": self.files[one.sha256] for number, one in enumerate(self.packages)}
        return Input(named, identity, self._index)

    def _index(self, folder: Path) -> str:
        debs = [
            Deb(one.name, one.version, one.architecture, one.sha256, self.files[one.sha256]) for one in self.packages
        ]
        return write_own(debs, folder).read_text(encoding="utf-8")


def origin(folder: Folder, plan: Plan, record: Record, suite: str, architecture: str) -> tuple[Mirror, Path]:
    """Where Debian's packages of a suite come from, and the keys of who signs there.

    That is the published snapshot if it holds Debian for this suite and architecture, else the deployment's mirror.
    Raises DeployError where the deployment's key is missing, has expired or is another.
    """
    items = record.suites.get(suite, ())
    if any(item.origin == "debian" and item.architecture == architecture for item in items):
        _require_signed(folder, suite)
        return Published(f"copy:{folder.published.resolve()}", None), folder.repository_key.resolve()
    return debian_mirror(plan.deployment.repository), KEYRING


def _require_signed(folder: Folder, suite: str) -> None:
    """What is wrong with the deployment's own key is not to be told as a fault of Debian's."""
    release = folder.published / "dists" / suite / "InRelease"
    with keyring(folder.repository_key) as keys:
        try:
            signed_text(release, keys)
        except BadSignature as why:
            raise DeployError(
                f"{release}: {why}", f"Publish again: sugar-deploy repo publish -C {folder.root}, which tells more"
            ) from None


def choose(
    mirror: Mirror, keyring: Path, suite: str, architecture: str, names: Sequence[str], own: Sequence[Deb], say: Say
) -> Chosen:
    """The packages that these NAMES and the deployment's OWN packages need, fetched.

    Raises DeployError in apt's own words where something is not to be had.
    """
    home = archive_cache()
    area = home / "apt" / area_name(mirror, [suite], [architecture])
    home.mkdir(parents=True, exist_ok=True)
    with exclusive(home / "lock", f"another process fetches packages into {home}", say) as held:
        archive = Archive(area, mirror, (suite,), (architecture,), keyring, held)
        try:
            return _choose(archive, home, names, own, say)
        except (Outdated, DamagedIndex):
            say("Debian's indexes are no longer right: asking for them again")
        try:
            return _choose(archive, home, names, own, say)
        except Outdated as outdated:
            raise explain(outdated.fault, home, now()) from None
        except DamagedIndex as damaged:
            raise DeployError(f"the index of {damaged} is damaged again", f"Check the disk of {home}") from None


def _choose(archive: Archive, home: Path, names: Sequence[str], own: Sequence[Deb], say: Say) -> Chosen:
    suite, architecture = archive.suites[0], archive.architectures[0]
    archive.update(say)
    archive.prove(suite, architecture)
    apt = archive.apt(suite, architecture)
    resolver = Resolver(apt, write_own(own, apt.configuration.parent / "image"))
    wish = Wanted((SMALLEST, *names, *(f"{deb.name}={deb.version}" for deb in own)))
    try:
        packages, _ = resolver.closure(wish)
    except Unresolved as reason:
        raise DeployError(
            f"{suite} for {architecture} has not all that the image needs: {reason}",
            "Put the missing package into debs/, or name it under repository.packages where the contents are "
            "complete, and publish",
        ) from None
    # A complete repository offers the deployment's own packages as well, which are installed later.
    mine = {deb.name for deb in own}
    chosen = tuple(sorted(one for one in packages if one.name not in mine))
    return Chosen(chosen, Store(home, apt, say).fetch(chosen))
