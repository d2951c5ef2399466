"""From the plan to Debian's packages on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.keys.gpg import cache_home
from sugar_deploy.repository.debs import Deb
from sugar_deploy.repository.derive.archive import KEYRING, Archive, DamagedIndex, area_name, now
from sugar_deploy.repository.derive.choosing import choose, choose_system
from sugar_deploy.repository.derive.faults import explain
from sugar_deploy.repository.derive.mirror import INSECURE, Mirror, debian_mirror
from sugar_deploy.repository.derive.resolver import Package
from sugar_deploy.repository.derive.store import Outdated, Store
from sugar_deploy.repository.derive.systems import System
from sugar_deploy.repository.lock import exclusive
from sugar_deploy.repository.tools import require
from sugar_deploy.scenario.plan import Plan

Say = Callable[[str], None]
Chosen = dict[str, tuple[frozenset[Package], tuple[Deb, ...]]]
"""By distribution: Debian's packages, and those of the deployment's own that belong to them."""
Choose = Callable[[], Chosen]
TOOLS = {"apt-get": "apt", "apt-cache": "apt", "dpkg-deb": "dpkg", "gpgv": "gpgv"}


def archive_cache(environment: Mapping[str, str] | None = None) -> Path:
    """Where Debian's indexes and packages are kept, for all deployments."""
    return cache_home(os.environ if environment is None else environment) / "sugar-deploy" / "archive"


def derive(
    plan: Plan,
    own: Sequence[Deb],
    say: Say,
    *,
    systems: Sequence[System] = (),
    cache: Path | None = None,
    keyring: Path = KEYRING,
) -> Mapping[str, tuple[Deb, ...]]:
    """For each suite, the packages of Debian that the deployment needs, sorted, for all architectures.

    OWN are the packages that the repository holds besides: what they depend on is needed too. For SYSTEMS of images,
    which have distributions of their own, their own packages are among what is given.
    """
    require(TOOLS, "Debian's packages cannot be derived")
    home = cache or archive_cache()
    repository = plan.deployment.repository
    mirror = debian_mirror(repository)
    if mirror.security is None:
        say(INSECURE)
    try:
        home.mkdir(parents=True, exist_ok=True)
        with exclusive(home / "lock", f"another process fetches packages into {home}", say) as held:
            archives = partial(_archive, home, mirror, keyring, held)
            archive = archives(repository.suites, repository.architectures)
            found = _derive_twice(archive, home, partial(_servers, archive, plan, own, say), say)
            for (suite, architecture), some in _by_machine(systems).items():
                # As composing from the mirror asks it.
                archive = archives([suite], [architecture])
                chosen = _derive_twice(archive, home, partial(_images, archive, some, plan, own, say), say)
                for name, debs in chosen.items():
                    found[name] = tuple(sorted({*found.get(name, ()), *debs}))
            return found
    except OSError as error:
        raise DeployError(
            f"Debian's packages cannot be kept in {home}: {error.strerror or error}",
            "Make room or give access there, or set XDG_CACHE_HOME to another folder",
        ) from error


def _archive(
    home: Path, mirror: Mirror, keyring: Path, held: int, suites: Iterable[str], architectures: Iterable[str]
) -> Archive:
    names = tuple(sorted(set(suites))), tuple(sorted(set(architectures)))
    return Archive(home / "apt" / area_name(mirror, *names), mirror, *names, keyring, held)


def _by_machine(systems: Iterable[System]) -> dict[tuple[str, str], list[System]]:
    found: dict[tuple[str, str], list[System]] = {}
    for system in systems:
        found.setdefault((system.suite, system.architecture), []).append(system)
    return found


def _derive_twice(archive: Archive, home: Path, choose: Choose, say: Say) -> dict[str, tuple[Deb, ...]]:
    """A mirror may change between its indexes and its packages; not while it is asked a second time."""
    try:
        return _derive(archive, home, choose, say)
    except Outdated:
        say("The mirror has changed meanwhile: asking it again")
    except DamagedIndex as damaged:
        say(f"The index of {damaged} is damaged: fetching it again")
    try:
        return _derive(archive, home, choose, say)
    except Outdated as outdated:
        raise explain(outdated.fault, home, now()) from None
    except DamagedIndex as damaged:
        raise DeployError(
            f"{home} loses what is written to it: the index of {damaged} is damaged again", "Check that disk"
        ) from None


def _derive(archive: Archive, home: Path, choose: Choose, say: Say) -> dict[str, tuple[Deb, ...]]:
    say(f"Debian: asking {archive.mirror.main} for changes")
    archive.update(say)
    chosen = choose()
    store = Store(home, archive.apt(archive.suites[0], archive.architectures[0]), say)
    files = store.fetch(package for packages, _ in chosen.values() for package in packages)
    return {
        name: tuple(sorted([*own, *(_deb(package, files[package.sha256]) for package in packages)]))
        for name, (packages, own) in chosen.items()
    }


def _servers(archive: Archive, plan: Plan, own: Sequence[Deb], say: Say) -> Chosen:
    """For each suite what servers and laptops on Debian need."""
    ours = {(deb.name, deb.version, deb.architecture) for deb in own}
    found: Chosen = {}
    for suite in archive.suites:
        packages: set[Package] = set()
        for architecture in archive.architectures:
            chosen = choose(archive, suite, architecture, plan, own, say)
            _tell(f"{suite} {architecture}", chosen, say)
            packages.update(one for one in chosen if (one.name, one.version, one.architecture) not in ours)
        found[suite] = frozenset(packages), ()
    return found


def _images(archive: Archive, systems: Iterable[System], plan: Plan, own: Sequence[Deb], say: Say) -> Chosen:
    """What the images of one suite and architecture need; all of it is in one distribution."""
    packages: set[Package] = set()
    ours: set[Deb] = set()
    for system in systems:
        offered = {deb.name: deb for deb in own if deb.architecture in {"all", system.architecture}}
        taken = system.own(offered, offered.__getitem__)
        chosen = choose_system(archive, system, plan, taken, say)
        _tell(f"{system.suite} {system.architecture} for images of {system.model}", chosen, say)
        packages.update(chosen)
        ours.update(taken)
    return {system.distribution: (frozenset(packages), tuple(ours)) for system in systems}


def _tell(whom: str, chosen: Sequence[Package], say: Say) -> None:
    size = sum(package.size for package in chosen) / 2**20
    say(f"{whom}: {len(chosen)} packages of Debian, {size:,.0f} MiB")


def _deb(package: Package, path: Path) -> Deb:
    return Deb(
        package.name,
        package.version,
        package.architecture,
        package.sha256,
        path,
        "debian",
        package.source,
        package.size,
        package.required,
    )
