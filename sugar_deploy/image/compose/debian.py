"""Debian's packages of an image: chosen by apt, proved, and laid out for the stage that installs them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.image.compose.source import Origin, Published, published_files
from sugar_deploy.image.compose.stage import Input
from sugar_deploy.repository.debs import Deb
from sugar_deploy.repository.derive.archive import Archive, DamagedIndex, area_name, now
from sugar_deploy.repository.derive.deriving import archive_cache
from sugar_deploy.repository.derive.faults import explain
from sugar_deploy.repository.derive.mirror import Mirror
from sugar_deploy.repository.derive.resolver import Package, Resolver, Unresolved, write_own
from sugar_deploy.repository.derive.seeds import SMALLEST, Wanted
from sugar_deploy.repository.derive.store import Outdated, Store
from sugar_deploy.repository.derive.systems import System
from sugar_deploy.repository.lock import exclusive

Say = Callable[[str], None]


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


def for_system(origin: Origin, system: System, own: Sequence[Deb], say: Say) -> Chosen:
    """Debian's packages of a system with the deployment's OWN packages in it, fetched from where they come from."""
    wish = system.wanted(own, origin.base)
    return _fetched(origin, system.architecture, wish, own, say)


def choose(
    mirror: Mirror, keyring: Path, suite: str, architecture: str, names: Sequence[str], own: Sequence[Deb], say: Say
) -> Chosen:
    """The packages that these NAMES and the deployment's OWN packages need, fetched from a mirror."""
    wish = Wanted((SMALLEST, *names, *(f"{deb.name}={deb.version}" for deb in own)))
    remedy = "Correct the names, or put a better package into debs/ and publish"
    return _fetched(Origin(mirror, keyring, suite, (), remedy), architecture, wish, own, say)


def _fetched(origin: Origin, architecture: str, wish: Wanted, own: Sequence[Deb], say: Say) -> Chosen:
    """Raises DeployError in apt's own words where something is not to be had."""
    mirror, suite = origin.mirror, origin.distribution
    home = archive_cache()
    area = home / "apt" / area_name(mirror, [suite], [architecture])
    home.mkdir(parents=True, exist_ok=True)
    with exclusive(home / "lock", f"another process fetches packages into {home}", say) as held:
        archive = Archive(area, mirror, (suite,), (architecture,), origin.keyring, held)
        try:
            return _choose(archive, home, wish, own, origin.remedy, say)
        except (Outdated, DamagedIndex):
            say("Debian's indexes are no longer right: asking for them again")
        try:
            return _choose(archive, home, wish, own, origin.remedy, say)
        except Outdated as outdated:
            raise explain(outdated.fault, home, now()) from None
        except DamagedIndex as damaged:
            raise DeployError(f"the index of {damaged} is damaged again", f"Check the disk of {home}") from None


def _choose(archive: Archive, home: Path, wish: Wanted, own: Sequence[Deb], remedy: str, say: Say) -> Chosen:
    suite, architecture = archive.suites[0], archive.architectures[0]
    archive.update(say)
    archive.prove(suite, architecture)
    apt = archive.apt(suite, architecture)
    resolver = Resolver(apt, write_own(own, apt.configuration.parent / "image"))
    try:
        packages, _ = resolver.closure(wish)
    except Unresolved as reason:
        known = {*resolver.names(), *(deb.name for deb in own)}
        asked = (name.partition("=")[0] for name in wish.together if not name.startswith("?"))
        unknown = ", ".join(name for name in asked if name not in known)
        why = f"there is no {unknown}" if unknown else str(reason)
        raise DeployError(f"{suite} for {architecture} has not all that the image needs: {why}", remedy) from None
    # A complete repository offers the deployment's own packages as well, which are installed later.
    mine = {deb.name for deb in own}
    chosen = tuple(sorted(one for one in packages if one.name not in mine))
    is_here = isinstance(archive.mirror, Published)
    return Chosen(chosen, published_files(chosen) if is_here else Store(home, apt, say).fetch(chosen))
