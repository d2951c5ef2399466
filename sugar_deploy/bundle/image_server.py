"""What an image carries so that its laptop is a class's server from its first start: a bundle, put there already."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from sugar_deploy.bundle.area import area
from sugar_deploy.bundle.assemble import besides, manifest_of
from sugar_deploy.bundle.layout import KEY, MANIFEST, Layout
from sugar_deploy.bundle.parts import Piece
from sugar_deploy.bundle.record import published
from sugar_deploy.bundle.select import Choice, refuse_incomplete, repository_files, some_of
from sugar_deploy.deployment.model import Scenario
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.image.compose.build import PATIENCE_SECONDS
from sugar_deploy.image.compose.server import ClassServer
from sugar_deploy.image.compose.stage import Input
from sugar_deploy.locks import debian_python_packages
from sugar_deploy.render.carried import LISTING, read_listing
from sugar_deploy.repository.derive.systems import System
from sugar_deploy.repository.lock import exclusive
from sugar_deploy.scenario.plan import Host, Plan


def peer_school(plan: Plan, wanted: str | None) -> Host:
    """The school whose server the laptop becomes: WANTED, or the only one that a laptop serves."""
    found = {host.name: host for host in plan.hosts if host.school.scenario is Scenario.PEER_SERVER}
    names = ", ".join(list(found)[:20]) + (" …" if len(found) > 20 else "")
    if wanted is not None and wanted not in found:
        raise UsageError(f"no school called {wanted} is served by a laptop", f"Those of peer-server are: {names}")
    if wanted is None and len(found) != 1:
        raise UsageError(f"the image is for one school's server, and there are several: {names}", "Say --school")
    return found[wanted or next(iter(found))]


@contextlib.contextmanager
def class_server(
    folder: Folder, plan: Plan, host: Host, system: System, say: Callable[[str], None]
) -> Iterator[ClassServer]:
    """All that the image of a SYSTEM carries of the published repository; its files last as long as the `with`.

    As a stick it has no secrets. Raises UsageError where the repository does not hold what such a server needs.
    """
    refuse_incomplete(plan, (host,))
    repository = plan.deployment.repository
    suites = some_of(repository.suites, (system.suite,), "suite")
    architectures = some_of(repository.architectures, (system.architecture,), "architecture")
    choice, record = Choice((host,), suites, architectures), published(folder)
    folder.state.mkdir(mode=0o700, exist_ok=True)
    busy = "another process composes an image of this deployment with a server"
    with (
        exclusive(folder.state / "image-server.lock", busy, say, timeout_seconds=PATIENCE_SECONDS),
        area(folder, "image-server-") as work,
    ):
        more = besides(plan, choice, folder, record, work, say)
        # The settings are rendered with the repository that they are for.
        listing = read_listing(work / "project" / LISTING)
        selection = repository_files(folder.published, listing, record, choice)
        pieces = tuple(sorted((*selection.pieces, *more)))
        text = manifest_of(plan, choice, record, pieces, selection).text()
        (work / MANIFEST).write_text(text, encoding="utf-8")
        needed = {*host.packages, *debian_python_packages(system.suite, system.architecture)}
        files = _files(pieces, work / MANIFEST, folder.repository_key)
        yield ClassServer(host.name, files, tuple(sorted(needed)))


def _files(pieces: tuple[Piece, ...], manifest: Path, key: Path) -> Input:
    """As they lie on a stick; the manifest names all but the key by their hashes."""
    place = Layout(Path())
    files = {place.file(one.path).as_posix(): one.source for one in pieces}
    files |= {place.file(MANIFEST).as_posix(): manifest, place.file(KEY).as_posix(): key}
    return Input(files, hashlib.sha256(manifest.read_bytes() + key.read_bytes()).hexdigest())
