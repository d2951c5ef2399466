"""What apt chooses for a suite and an architecture: as it did before, if nothing has changed since."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sugar_deploy.errors import UsageError
from sugar_deploy.repository.debs import Deb
from sugar_deploy.repository.derive.archive import Archive
from sugar_deploy.repository.derive.choices import Choices, question
from sugar_deploy.repository.derive.refusals import Refusals
from sugar_deploy.repository.derive.resolver import Package, Resolver, Unresolved, write_own
from sugar_deploy.repository.derive.seeds import Wanted, boot, tool, wanted
from sugar_deploy.repository.derive.systems import System
from sugar_deploy.scenario.plan import Plan

Say = Callable[[str], None]


def choose_system(archive: Archive, system: System, plan: Plan, own: Sequence[Deb], say: Say) -> tuple[Package, ...]:
    """What apt chooses for an image's system, with the deployment's OWN packages in it."""
    wishes = (system.wanted(own),)
    refusals = Refusals(plan, own, f"{system.suite} for {system.architecture}", f"images of {system.model}")
    return _choose(archive, (system.suite, system.architecture), wishes, own, refusals, say)


def choose(
    archive: Archive, suite: str, architecture: str, plan: Plan, own: Sequence[Deb], say: Say
) -> tuple[Package, ...]:
    """What apt chooses for a suite and an architecture: as it did before, if nothing has changed since."""
    wishes = wanted(plan, own, architecture, tool(suite, architecture), boot(suite, architecture))
    refusals = Refusals(plan, own, f"{suite} for {architecture}")
    return _choose(archive, (suite, architecture), wishes, own, refusals, say)


def _choose(
    archive: Archive,
    machine: tuple[str, str],
    wishes: Sequence[Wanted],
    own: Sequence[Deb],
    refusals: Refusals,
    say: Say,
) -> tuple[Package, ...]:
    suite, architecture = machine
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
            error = refusals.error(names, why, frozenset(resolver.names()) | {deb.name for deb in own})
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
