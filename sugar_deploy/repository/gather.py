"""Puts together what the repository is to hold: ours, the configuration packages, the deployer's, and Debian's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.repository.build import Say, build, quiet
from sugar_deploy.repository.configuration import configuration_debs
from sugar_deploy.repository.contents import Contents
from sugar_deploy.repository.debs import Deb, merged
from sugar_deploy.repository.derive import derive
from sugar_deploy.repository.derive.systems import System
from sugar_deploy.repository.proved import Proved
from sugar_deploy.scenario.plan import Plan


def gather(
    folder: Folder,
    plan: Plan,
    keys_asc: str,
    say: Say = quiet,
    *,
    systems: Sequence[System] = (),
    sources: Path | None = None,
    proved: Proved | None = None,
) -> Contents:
    """The contents of a deployment's repository; KEYS_ASC are its public keys, which servers and laptops get.

    SYSTEMS are those of images that a complete repository is to be enough for.
    """
    proved = proved or Proved()
    origins: Mapping[str, list[Path]] = {
        "ours": [deb for built in build(say, sources=sources) for deb in built.debs],
        "configuration": list(configuration_debs(folder, plan, keys_asc, say, proved=proved)),
        "deployer": sorted(folder.debs.glob("*.deb")) if folder.debs.is_dir() else [],
    }
    own = merged(proved.deb(path, origin) for origin, paths in origins.items() for path in paths)
    if not own:
        raise UsageError("there is no package to publish", f"Put packages (*.deb) into {folder.debs}")
    repository = plan.deployment.repository
    derived: Mapping[str, tuple[Deb, ...]] = {}
    if repository.contents == "complete":
        derived = derive(plan, own, say, systems=systems)
    for deb in {deb for debs in derived.values() for deb in debs if deb.origin == "debian"}:
        # Just proved by the one who keeps them.
        proved.learn(deb.path, deb.sha256)
    found: dict[str, list[Deb]] = {suite: [*own, *derived.get(suite, ())] for suite in repository.suites}
    found |= {name: [*debs] for name, debs in derived.items() if name not in found}
    return Contents({name: merged(found[name]) for name in sorted(found)})
