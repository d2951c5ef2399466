"""From what the deployer asks for to a lab with its deployment's folder beside it."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sugar_deploy.deployment.load import load
from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.lab.adapt import adapt
from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.launch import is_alive, require_root
from sugar_deploy.lab.places import LabPlace, runtime_root
from sugar_deploy.lab.probe import choose
from sugar_deploy.lab.steps import own
from sugar_deploy.scenario.plan import Host
from sugar_deploy.scenario.resolve import resolve

DEFAULT_SCENARIO = "offline-server"
_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")

Say = Callable[[str], None]


def living() -> list[str]:
    """The labs that are up."""
    root = runtime_root()
    if not root.is_dir():
        return []
    return sorted(path.name for path in root.iterdir() if path.is_dir() and is_alive(LabPlace.of(path.name)))


def attachable() -> list[Lab]:
    """The labs that are up, without those that are being built or are just ending."""
    found = []
    for name in living():
        with suppress(DeployError, OSError):
            found.append(Lab.attach(name))
    return found


def hosts(folder: Folder) -> tuple[Host, ...]:
    """The deployment's servers."""
    return resolve(load(folder)).hosts


def bring_up(
    *,
    scenario: str | None = None,
    source: Path | None = None,
    suite: str = "bookworm",
    backend: str = "auto",
    identity: str | None = None,
    owned: bool = True,
    offline: bool = False,
    with_sugar: bool = False,
    memory_mib: int | None = None,
    say: Say = lambda _: None,
) -> Lab:
    """A lab for a scenario as `init` writes it, or for a deployment's folder."""
    require_root()
    if scenario and source:
        raise UsageError("A scenario and a deployment's folder are both named", "Name one: --scenario or -C")
    if identity is not None and not _NAME.fullmatch(identity):
        raise UsageError(f"{identity} is no name for a lab", "Use lower-case letters, digits and -, 31 at most")
    chosen = choose(say) if backend == "auto" else backend
    with _source(scenario or DEFAULT_SCENARIO, source) as folder:
        lab = Lab.for_deployment(
            load(folder),
            suite=suite,
            backend=chosen,
            identity=identity,
            offline=offline,
            with_sugar=with_sugar,
            memory_mib=memory_mib,
            say=say,
        )
        lab.up(owned=owned)
        try:
            adapt(folder, lab.place, lab.machines, Folder(lab.place.deployment), lab.suite)
        except BaseException:
            lab.down()
            raise
    return lab


@contextmanager
def _source(scenario: str, source: Path | None) -> Iterator[Folder]:
    """The deployer's folder, or one of the scenario as the deployer gets it: freshly made by `init`."""
    if source is not None:
        yield Folder(source)
        return
    with tempfile.TemporaryDirectory(prefix="sugar-deploy-lab-") as work:
        made = Path(work) / scenario
        done = own(("init", str(made), "--scenario", scenario))
        if done.returncode:
            raise DeployError(f"`sugar-deploy init` failed: {done.stderr.strip()}")
        yield Folder(made)
