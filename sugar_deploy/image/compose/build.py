"""From a deployment and a model to the folder of an image: its tars, packages.json, recipe.json."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_deploy.deployment.types import NO_SECURITY
from sugar_deploy.errors import DeployError
from sugar_deploy.files import write_atomically
from sugar_deploy.folder import Folder
from sugar_deploy.image.compose.cache import Cache, CorruptEntry, known, lent
from sugar_deploy.image.compose.debian import for_system
from sugar_deploy.image.compose.own import own_packages
from sugar_deploy.image.compose.recipe import recipe_of
from sugar_deploy.image.compose.running import Unpacked, Workshop, clear, require_namespaces
from sugar_deploy.image.compose.server import ClassServer
from sugar_deploy.image.compose.settings import write as write_settings
from sugar_deploy.image.compose.source import Source, published_source
from sugar_deploy.image.compose.stage import Input, Step
from sugar_deploy.image.models import Model
from sugar_deploy.image.space import room_on_disk
from sugar_deploy.image.survey.reading import SETTINGS, TREE
from sugar_deploy.image.survey.survey import Survey
from sugar_deploy.keys.gpg import cache_home
from sugar_deploy.render.swap import replacing
from sugar_deploy.repository.derive.mirror import INSECURE
from sugar_deploy.repository.lock import exclusive
from sugar_deploy.scenario.plan import Plan

Say = Callable[[str], None]
PATIENCE_SECONDS = 4 * 3600
"""How long to wait for another build, which may take that long on an emulated machine."""
RECIPE, SURVEY = "recipe.json", "survey.json"
NO_SETTINGS = Input({}, "")
_ROOM = "Make room there, or set XDG_CACHE_HOME to a folder on a larger disk, and build again, which carries on"


Stages = tuple[tuple[str, str, bool, float], ...]
"""Of each its name, id, whether it was kept from before, seconds."""


@dataclass(frozen=True, slots=True)
class Made:
    """The last stage's tree, what was done for it, and what spares others work as long as it is at hand."""

    tree: Path
    stages: Stages
    survey: Survey
    unpacked: Unpacked | None = None
    """Of what it was packed; nothing where it was kept from before."""


@dataclass(frozen=True, slots=True)
class Composed:
    """An image's folder, of which snapshot it is, and how it was made."""

    folder: Path
    snapshot: str
    made: Made


@contextmanager
def composing(
    folder: Folder,
    plan: Plan,
    model: Model,
    target: Path,
    say: Say,
    *,
    suite: str | None = None,
    source: Source | None = None,
    server: ClassServer | None = None,
) -> Iterator[Composed]:
    """Write the composed image of a model into the folder TARGET, from SOURCE, by default what is published.

    Its laptop becomes SERVER at its first start. Within, what it was made of is at hand, and nobody else composes.

    Raises DeployError where a stage fails: what is kept of the stages before it stays, and the next call carries on.
    """
    recipe = recipe_of(folder, plan, model, suite)
    settings = recipe.settings()
    source = source or published_source(folder)
    record, system = source.record, recipe.system()
    own = own_packages(record, source.tree, system)
    insecure = plan.deployment.repository.security_mirror == NO_SECURITY
    if insecure:
        say(INSECURE)
    debian = for_system(source.origin(system, plan, folder), system, own, say)
    # What the own packages need is installed before them.
    steps = recipe.steps(debian, own, record.id, server)
    facts = {
        "model": model.name,
        "suite": recipe.suite.name,
        "architecture": system.architecture,
        "deployment": plan.deployment.name,
        "snapshot": record.id,
        "security_updates": not insecure,
        "kernel": recipe.kernel,
        "server": server.school if server else None,
        "own": sorted(deb.name for deb in own),
        "left_out": sorted(set(system.optional) - {deb.name for deb in own}),
    }
    with making(steps, image_cache(), say) as made:
        stages = [{"name": name, "id": identity} for name, identity, *_ in made.stages]
        write_folder(made, target, {**facts, "stages": stages}, settings)
        yield Composed(target, record.id, made)


def image_cache(environment: Mapping[str, str] | None = None) -> Path:
    """Where stages' trees are kept, for all deployments."""
    return cache_home(os.environ if environment is None else environment) / "sugar-deploy" / "images"


def run(steps: Sequence[Step], area: Path, say: Say) -> tuple[Path, Stages]:
    """The last stage's tree, and what was done; only what AREA does not keep is made."""
    with making(steps, area, say) as made:
        return made.tree, made.stages


@contextmanager
def making(steps: Sequence[Step], area: Path, say: Say) -> Iterator[Made]:
    """The last stage's tree; only what AREA does not keep is made, and nobody else composes there within.

    It keeps the trees of stages that say so, and the last one, with what was read of that.
    """
    if not steps:
        raise DeployError("the recipe has no stages", "Give it one")
    cache = Cache(area)
    require_namespaces()
    with exclusive(area / "lock", "another process composes an image", say, timeout_seconds=PATIENCE_SECONDS) as held:
        cache.prune()
        clear(cache.work)
        named = []
        identity = ""
        for step in steps:
            identity = step.identity(identity)
            named.append((step, identity))
        first, tree = _kept(cache, named, say)
        done = [(step.name, identity, True, 0.0) for step, identity in named[:first]]
        workshop = Workshop(cache.work, tree, (held,))
        survey = Survey()
        for step, identity in named[first:]:
            started = time.monotonic()
            say(f"Stage {step.name}")
            is_last = identity == named[-1][1]
            with room_on_disk(area, _ROOM, f"stage {step.name}: "), workshop:
                if packed := workshop.run(step, is_packed=step.kept or is_last):
                    tree, read = cache.keep(identity, packed, survey.readers if is_last else ())
                    if is_last:
                        survey.has_read(read)
                        survey.keep(tree.with_name(SURVEY))
            done.append((step.name, identity, False, time.monotonic() - started))
            say(f"Stage {step.name}: {done[-1][3]:.0f} s")
        assert tree, "the last stage's is packed"
        is_made = first < len(named)
        if not is_made:
            with room_on_disk(area, _ROOM):
                survey = _surveyed(tree)
        unpacked = Unpacked(workshop.tree)
        try:
            yield Made(tree, tuple(done), survey, unpacked if is_made else None)
        finally:
            unpacked.wait()
            clear(workshop.folder)


def _kept(cache: Cache, named: Sequence[tuple[Step, str]], say: Say) -> tuple[int, Path | None]:
    """How many of the stages need not be run, and the tree of the last of them."""
    for number in range(len(named), 0, -1):
        step, identity = named[number - 1]
        try:
            tree = cache.find(identity)
        except CorruptEntry:
            say(f"What was kept of stage {step.name} is damaged: making it again")
            continue
        if tree:
            say(f"Stages that are kept from before: {', '.join(step.name for step, _ in named[:number])}")
            return number, tree
    return 0, None


def _surveyed(tree: Path) -> Survey:
    """What was read of a tree that is kept; it is read again where that is not there or damaged."""
    file = tree.with_name(SURVEY)
    survey = Survey.kept(file, known(tree).sha256)
    if survey is None:
        survey = Survey()
        survey.add(tree)
        survey.keep(file)
    return survey


def write_folder(made: Made, target: Path, facts: Mapping[str, Any], settings: Input = NO_SETTINGS) -> None:
    """Write an image's folder; a former one of that name is replaced as a whole, or stays as it was."""
    tree, survey = made.tree, made.survey
    with (
        room_on_disk(target.parent, "Make room there, and build again, which carries on"),
        replacing(target, RECIPE, "a composed image") as (draft, _),
    ):
        lent(tree, draft / TREE)
        found = known(tree)
        write_atomically(draft / "packages.json", json.dumps(found.packages, indent=1) + "\n", 0o644)
        told = {"format": 1, **facts, "source_date_epoch": found.newest, "root_sha256": found.sha256}
        if settings.files:
            laid = draft / SETTINGS
            write_settings(settings, laid, survey.files(), found.newest)
            survey.add(laid)
            told["settings_sha256"] = survey.reads()[-1].sha256
        write_atomically(draft / RECIPE, json.dumps(told, indent=1, sort_keys=True) + "\n", 0o644)
        draft.chmod(0o755)
