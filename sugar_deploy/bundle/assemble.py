"""From the deployment's folder to everything that goes onto the stick."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sugar_deploy import __version__
from sugar_deploy.bundle.area import area
from sugar_deploy.bundle.beside import install_script, listed, readme
from sugar_deploy.bundle.capacity import Fit, fit
from sugar_deploy.bundle.filesystem import Filesystem, refuse_names
from sugar_deploy.bundle.layout import PROJECT, SBOM, WHEELS
from sugar_deploy.bundle.manifest import Manifest, Since, signature
from sugar_deploy.bundle.parts import SBOM_PART, Piece, piece
from sugar_deploy.bundle.project import pack_project
from sugar_deploy.bundle.record import published, published_at
from sugar_deploy.bundle.select import (
    Choice,
    Selection,
    image_files,
    refuse_incomplete,
    repository_files,
    schools,
    some_of,
    with_images,
)
from sugar_deploy.bundle.wheels import wheels
from sugar_deploy.bundle.write import Bundle
from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.keys.repository_key import signers, signing_keys
from sugar_deploy.keys.secrets import Secrets
from sugar_deploy.render.carried import LISTING, read_listing
from sugar_deploy.repository.record import Record
from sugar_deploy.repository.sbom import sbom
from sugar_deploy.repository.snapshots import History
from sugar_deploy.run.prepare import prepare
from sugar_deploy.scenario.plan import Plan

Say = Callable[[str], None]

TOOL_PART = "sugar-deploy itself"
PROJECT_PART = "settings of the schools"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the deployer asked for."""

    schools: tuple[str, ...] = ()
    suites: tuple[str, ...] = ()
    architectures: tuple[str, ...] = ()
    since: str | None = None
    images: bool = False


@dataclass(frozen=True, slots=True)
class Assembled:
    """A bundle ready to be written, and what was decided on the way."""

    bundle: Bundle
    manifest: Manifest
    fit: Fit
    newest: int
    """The highest number that was ever published: with a lower one, schools are asked to say --allow-older."""

    @property
    def older(self) -> bool:
        """Whether schools may have a later number."""
        return self.manifest.serial < self.newest


@contextlib.contextmanager
def assembled(folder: Folder, wish: Wish, filesystem: Filesystem, say: Say) -> Iterator[Assembled]:
    """Publish and render as `apply` does, choose, and make fit; its files last as long as the `with`."""
    plan = prepare(folder, say, lambda plan: _checked(plan, wish, folder), carried=True)
    choice = _checked(plan, wish, folder)
    record = published(folder)
    folder.state.mkdir(mode=0o700, exist_ok=True)
    with area(folder, "bundle-") as work:
        listing = read_listing(folder.rendered / LISTING)
        images = image_files(folder.published, record) if choice.images else ()
        selection = with_images(repository_files(folder.published, listing, record, choice), images)
        more = besides(plan, choice, folder, record, work, say)
        pieces = tuple(sorted((*selection.pieces, *more)))
        refuse_names(filesystem, [(one.path, one.size) for one in pieces])
        manifest = manifest_of(plan, choice, record, pieces, selection)

        def others() -> Iterable[tuple[str, Sequence[Piece]]]:
            for option, other in _alternatives(choice, folder, record):
                some = repository_files(folder.published, listing, record, other)
                yield option, (*with_images(some, images).pieces, *more)

        found = fit(pieces, len(manifest.text().encode()), filesystem, others)
        manifest = replace(manifest, files=tuple(one.entry for one in found.pieces))
        newest = History(folder).newest()
        older = record.serial < newest
        yield Assembled(_bundle(folder, plan, manifest, found.pieces, older=older), manifest, found, newest)


def _checked(plan: Plan, wish: Wish, folder: Folder) -> Choice:
    """The wish against the deployment; raises UsageError for what cannot be."""
    hosts = schools(plan, wish.schools)
    refuse_incomplete(plan, hosts)
    repository = plan.deployment.repository
    return Choice(
        hosts,
        some_of(repository.suites, wish.suites, "suite"),
        some_of(repository.architectures, wish.architectures, "architecture"),
        History(folder).find(wish.since) if wish.since else None,
        wish.images and _has_images(plan),
    )


def _has_images(plan: Plan) -> bool:
    """Raise UsageError unless the repository holds what images need."""
    if plan.deployment.repository.contents == "complete" and plan.deployment.images.models:
        return True
    raise UsageError(
        "the repository holds nothing for images",
        "Write `contents: complete` under `repository:`, and name the models under `images:`, as `models: [xo-1.5]`",
    )


def besides(plan: Plan, choice: Choice, folder: Folder, record: Record, area: Path, say: Say) -> tuple[Piece, ...]:
    """All but the repository: the settings, the tool, the list of ingredients."""
    say("Packing the settings of " + listed([host.name for host in choice.hosts]))
    archive = pack_project(plan, choice.hosts, folder, area, published_at(record))
    pieces = [piece(PROJECT, archive, PROJECT_PART)]
    tool = wheels(choice.suites, choice.architectures, say)
    pieces += [piece(f"{WHEELS}/{path.name}", path, TOOL_PART) for path in tool.files]
    for name, text in tool.lists.items():
        (area / name).write_text(text)
        pieces.append(piece(f"{WHEELS}/{name}", area / name, TOOL_PART))
    (area / SBOM).write_text(sbom(record), encoding="utf-8")
    pieces.append(piece(SBOM, area / SBOM, SBOM_PART))
    return tuple(pieces)


def manifest_of(
    plan: Plan, choice: Choice, record: Record, pieces: Iterable[Piece], selection: Selection
) -> Manifest:
    """What the bundle of a choice says of itself."""
    return Manifest(
        deployment=plan.deployment.name,
        title=plan.deployment.title,
        snapshot=record.id,
        serial=record.serial,
        since=Since(choice.since.id, choice.since.serial) if choice.since else None,
        created_at=record.published_at,
        tool=__version__,
        schools=tuple(host.name for host in choice.hosts),
        suites=choice.suites,
        architectures=choice.architectures,
        fingerprints=record.fingerprints,
        files=tuple(one.entry for one in pieces),
        held=selection.held,
    )


def _alternatives(choice: Choice, folder: Folder, record: Record) -> Iterator[tuple[str, Choice]]:
    """Options that make a bundle smaller, with what they would choose."""
    subsets = itertools.product(_parts_of(choice.suites), _parts_of(choice.architectures))
    for suites, architectures in subsets:
        options = [f"--suite {','.join(suites)}"] if suites != choice.suites else []
        options += [f"--architecture {','.join(architectures)}"] if architectures != choice.architectures else []
        if options:
            yield " ".join(options), replace(choice, suites=suites, architectures=architectures)
    if choice.since is None:
        for before in reversed(History(folder).records()):
            if before.id != record.id:
                option = f"--since {before.id}  (for schools that have number {before.serial} already)"
                yield option, replace(choice, since=before)


def _parts_of(names: tuple[str, ...]) -> list[tuple[str, ...]]:
    """All of them, and each one alone."""
    return [names] + ([(name,) for name in names] if len(names) > 1 else [])


def _bundle(folder: Folder, plan: Plan, manifest: Manifest, pieces: tuple[Piece, ...], *, older: bool) -> Bundle:
    text = manifest.text()
    name = plan.deployment.name
    with signing_keys(folder, name, Secrets(folder, name)) as (gpg, keys):
        # Publishing signs with every key that counts: who trusts one of them trusts the stick.
        if set(fingerprints := signers(keys)) != set(manifest.fingerprints):
            raise DeployError(
                f"the keys have changed since snapshot {manifest.snapshot} was signed",
                f"Publish again: sugar-deploy repo publish -C {folder.root}",
            )
        signed = signature(text, gpg, fingerprints)
    return Bundle(
        pieces, text, signed, folder.repository_key.read_text(), install_script(), readme(manifest, older=older)
    )
