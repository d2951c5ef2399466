"""Which schools, suites, architectures and files a bundle is for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.bundle.layout import REPOSITORY
from sugar_deploy.bundle.manifest import Entry
from sugar_deploy.bundle.parts import RPM_PART, Piece, piece
from sugar_deploy.bundle.record import packages
from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.types import FOR_IMAGES
from sugar_deploy.errors import UsageError
from sugar_deploy.render.carried import CarriedFile
from sugar_deploy.repository.record import Record
from sugar_deploy.scenario.plan import Host, Plan

WITHOUT_INTERNET = frozenset({Scenario.OFFLINE_SERVER, Scenario.PEER_SERVER})
INDEXES = "package indexes"
SUITES_FOLDER = "dists"
POOL_FOLDER = "pool"
_OPTIONAL_FOLDERS = {"yum": RPM_PART}


@dataclass(frozen=True, slots=True)
class Choice:
    """What the deployer chose, checked against the deployment."""

    hosts: tuple[Host, ...]
    suites: tuple[str, ...]
    architectures: tuple[str, ...]
    since: Record | None = None
    images: bool = False
    """Whether it also carries what images are composed of."""


def schools(plan: Plan, wanted: Sequence[str]) -> tuple[Host, ...]:
    """The named schools; else those that have no Internet; else all."""
    names = {name.strip() for part in wanted for name in part.split(",") if name.strip()}
    if wanted and not names:
        raise UsageError("--school names no school", "Name one, or leave --school out")
    if unknown := sorted(names - {host.name for host in plan.hosts}):
        known = [host.name for host in plan.hosts]
        more = " …" if len(known) > 20 else ""
        raise UsageError(
            f"no school is called {', '.join(unknown[:20])}",
            f"Schools of this deployment: {', '.join(known[:20])}{more}",
        )
    if not plan.hosts:
        raise UsageError("the deployment has no schools", "Add one under `schools:` in deployment.yml")
    if names:
        return tuple(host for host in plan.hosts if host.name in names)
    offline = tuple(host for host in plan.hosts if host.school.scenario in WITHOUT_INTERNET)
    return offline or plan.hosts


def refuse_incomplete(plan: Plan, hosts: Iterable[Host]) -> None:
    """Raise UsageError where a server without the Internet would get a repository that needs it."""
    offline = [host.name for host in hosts if host.school.scenario in WITHOUT_INTERNET]
    if offline and plan.deployment.repository.contents != "complete":
        raise UsageError(
            f"the repository holds only our packages and yours, but {', '.join(offline[:5])} "
            f"{'has' if len(offline) == 1 else 'have'} no Internet to take the others from",
            "Write `contents: complete` under `repository:` in deployment.yml",
        )


def some_of(all_of_them: Sequence[str], wanted: Sequence[str], word: str) -> tuple[str, ...]:
    """The wanted suites or architectures, which the repository must have; all of them if none is named."""
    names = {name.strip() for part in wanted for name in part.split(",") if name.strip()}
    if wanted and not names:
        raise UsageError(f"--{word} names nothing", f"The repository has {', '.join(all_of_them)}")
    if unknown := sorted(names - set(all_of_them)):
        raise UsageError(f"the repository has no {word} {', '.join(unknown)}", f"It has {', '.join(all_of_them)}")
    return tuple(name for name in all_of_them if not names or name in names)


@dataclass(frozen=True, slots=True)
class Selection:
    """The repository's files: those that go onto the stick, those that the server has."""

    pieces: tuple[Piece, ...]
    held: tuple[Entry, ...]


def repository_files(tree: Path, listing: Iterable[CarriedFile], record: Record, choice: Choice) -> Selection:
    """Of the published tree, what the choice needs.

    The indexes of a chosen suite go along whole, for every architecture: their hashes are signed together.
    """
    wanted = packages(record, choice.suites, choice.architectures)
    before = packages(choice.since, choice.suites, choice.architectures) if choice.since else {}
    parts = part_names(record, choice)
    pieces: list[Piece] = []
    held: list[Entry] = []
    for file in listing:
        path = f"{REPOSITORY}/{file.path}"
        if file.path.startswith(f"{POOL_FOLDER}/"):
            if file.path not in wanted:
                continue
            known = before.get(file.path)
            if known and known.sha256 == file.sha256:
                held.append(Entry(path, file.size, file.sha256))
                continue
            part = parts[file.path]
        elif (found := _part_of(file.path, choice)) is not None:
            part = found
        else:
            continue
        pieces.append(Piece(path, file.size, file.sha256, tree / file.path, part))
    return Selection(tuple(sorted(pieces)), tuple(sorted(held)))


def image_files(tree: Path, record: Record) -> tuple[Piece, ...]:
    """Of the published tree, what composing images takes besides the rest, whole."""
    found: dict[str, Piece] = {}
    for name in sorted(suite for suite in record.suites if suite.endswith(FOR_IMAGES)):
        part = f"packages for images of {name.removesuffix(FOR_IMAGES)}"
        for item in record.suites[name]:
            path = f"{REPOSITORY}/{item.filename}"
            found.setdefault(path, Piece(path, item.size, item.sha256, tree / item.filename, part))
        for file in sorted((tree / SUITES_FOLDER / name).rglob("*")):
            if file.is_file():
                path = f"{REPOSITORY}/{file.relative_to(tree).as_posix()}"
                found[path] = piece(path, file, INDEXES)
    return tuple(found.values())


def with_images(selection: Selection, images: Iterable[Piece]) -> Selection:
    """Both together, each file once; what images take is never left to the server."""
    pieces = {one.path: one for one in (*images, *selection.pieces)}
    held = tuple(entry for entry in selection.held if entry.path not in pieces)
    return Selection(tuple(sorted(pieces.values())), held)


def _part_of(path: str, choice: Choice) -> str | None:
    """The part of a file outside the pool; None for what this choice does not need."""
    top, _, rest = path.partition("/")
    if top == SUITES_FOLDER:
        return INDEXES if rest.partition("/")[0] in choice.suites else None
    return _OPTIONAL_FOLDERS.get(top.partition(".")[0], INDEXES)


def part_names(record: Record, choice: Choice) -> dict[str, str]:
    """For each package's file, whom it is for: one suite or several, one architecture or all."""
    users: dict[str, set[str]] = {}
    architectures: dict[str, str] = {}
    for suite in choice.suites:
        for filename, package in packages(record, (suite,), choice.architectures).items():
            users.setdefault(filename, set()).add(suite)
            architectures[filename] = package.architecture
    return {
        filename: f"packages of {', '.join(sorted(suites))} for {_whom(architectures[filename])}"
        for filename, suites in users.items()
    }


def _whom(architecture: str) -> str:
    return "all architectures" if architecture == "all" else architecture
