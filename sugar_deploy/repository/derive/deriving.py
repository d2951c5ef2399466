"""From the plan to Debian's packages on this machine."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.keys.gpg import cache_home
from sugar_deploy.repository.debs import Deb
from sugar_deploy.repository.derive.archive import KEYRING, Archive, DamagedIndex, area_name, now
from sugar_deploy.repository.derive.choices import Choices, question
from sugar_deploy.repository.derive.faults import explain
from sugar_deploy.repository.derive.mirror import INSECURE, debian_mirror
from sugar_deploy.repository.derive.refusals import Refusals
from sugar_deploy.repository.derive.resolver import Package, Resolver, Unresolved, write_own
from sugar_deploy.repository.derive.seeds import boot, tool, wanted
from sugar_deploy.repository.derive.store import Outdated, Store
from sugar_deploy.repository.lock import exclusive
from sugar_deploy.repository.tools import require
from sugar_deploy.scenario.plan import Plan

Say = Callable[[str], None]
TOOLS = {"apt-get": "apt", "apt-cache": "apt", "dpkg-deb": "dpkg", "gpgv": "gpgv"}


def archive_cache(environment: Mapping[str, str] | None = None) -> Path:
    """Where Debian's indexes and packages are kept, for all deployments."""
    return cache_home(os.environ if environment is None else environment) / "sugar-deploy" / "archive"


def derive(
    plan: Plan, own: Sequence[Deb], say: Say, *, cache: Path | None = None, keyring: Path = KEYRING
) -> Mapping[str, tuple[Deb, ...]]:
    """For each suite, the packages of Debian that the deployment needs, sorted, for all architectures.

    OWN are the packages that the repository holds besides: what they depend on is needed too.
    """
    require(TOOLS, "Debian's packages cannot be derived")
    home = cache or archive_cache()
    repository = plan.deployment.repository
    mirror = debian_mirror(repository)
    suites, architectures = sorted(set(repository.suites)), sorted(set(repository.architectures))
    area = home / "apt" / area_name(mirror, suites, architectures)
    try:
        home.mkdir(parents=True, exist_ok=True)
        with exclusive(home / "lock", f"another process fetches packages into {home}", say) as held:
            archive = Archive(area, mirror, tuple(suites), tuple(architectures), keyring, held)
            return _derive_twice(archive, home, plan, own, say)
    except OSError as error:
        raise DeployError(
            f"Debian's packages cannot be kept in {home}: {error.strerror or error}",
            "Make room or give access there, or set XDG_CACHE_HOME to another folder",
        ) from error


def _derive_twice(
    archive: Archive, home: Path, plan: Plan, own: Sequence[Deb], say: Say
) -> dict[str, tuple[Deb, ...]]:
    """A mirror may change between its indexes and its packages; not while it is asked a second time."""
    try:
        return _derive(archive, home, plan, own, say)
    except Outdated:
        say("The mirror has changed meanwhile: asking it again")
    except DamagedIndex as damaged:
        say(f"The index of {damaged} is damaged: fetching it again")
    try:
        return _derive(archive, home, plan, own, say)
    except Outdated as outdated:
        raise explain(outdated.fault, home, now()) from None
    except DamagedIndex as damaged:
        raise DeployError(
            f"{home} loses what is written to it: the index of {damaged} is damaged again", "Check that disk"
        ) from None


def _derive(archive: Archive, home: Path, plan: Plan, own: Sequence[Deb], say: Say) -> dict[str, tuple[Deb, ...]]:
    say(f"Debian: asking {archive.mirror.main} for changes")
    if archive.mirror.security is None:
        say(INSECURE)
    archive.update(say)
    chosen = {suite: _suite(archive, suite, plan, own, say) for suite in archive.suites}
    store = Store(home, archive.apt(archive.suites[0], archive.architectures[0]), say)
    files = store.fetch(package for packages in chosen.values() for package in packages)
    return {
        suite: tuple(sorted(_deb(package, files[package.sha256]) for package in packages))
        for suite, packages in chosen.items()
    }


def _suite(archive: Archive, suite: str, plan: Plan, own: Sequence[Deb], say: Say) -> frozenset[Package]:
    ours = {(deb.name, deb.version, deb.architecture) for deb in own}
    found: set[Package] = set()
    for architecture in archive.architectures:
        chosen = choose(archive, suite, architecture, plan, own, say)
        size = sum(package.size for package in chosen) / 2**20
        say(f"{suite} {architecture}: {len(chosen)} packages of Debian, {size:,.0f} MiB")
        found.update(one for one in chosen if (one.name, one.version, one.architecture) not in ours)
    return frozenset(found)


def choose(
    archive: Archive, suite: str, architecture: str, plan: Plan, own: Sequence[Deb], say: Say
) -> tuple[Package, ...]:
    """What apt chooses for a suite and an architecture: as it did before, if nothing has changed since."""
    wishes = wanted(plan, own, architecture, tool(suite, architecture), boot(suite, architecture))
    choices = Choices(archive.area / "choices")
    key = question(archive.fingerprint(suite), f"{suite} {architecture}", wishes, own)
    known = choices.read(key)
    if known is not None:
        return known
    archive.prove(suite, architecture)
    fitting = [deb for deb in own if deb.architecture in {"all", architecture}]
    apt = archive.apt(suite, architecture)
    resolver = Resolver(apt, write_own(fitting, apt.configuration.parent / "own"))
    found: set[Package] = set()
    refused: list[UsageError] = []
    for wish in wishes:
        try:
            packages, failed = resolver.closure(wish)
        except Unresolved as reason:
            packages, failed = frozenset(), {wish.together: str(reason)}
        found |= packages
        for names, why in failed.items():
            known_names = frozenset(resolver.names()) | {deb.name for deb in own}
            error = Refusals(plan, own, f"{suite} for {architecture}", known_names).error(names, why)
            if not _optional(names, own):
                raise error
            refused.append(error)
    for error in refused:
        say(f"{error.message}. It is published all the same")
    chosen = tuple(sorted(found))
    if not refused:
        choices.write(key, chosen)
    return chosen


def _optional(names: Sequence[str], own: Sequence[Deb]) -> bool:
    """A deployer's package that no server gets by a role may be meant for another suite."""
    return any(deb.origin == "deployer" and tuple(names) == (f"{deb.name}={deb.version}",) for deb in own)


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
    )
