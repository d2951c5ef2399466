"""The published snapshot that an image is made of, and where Debian's packages come from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sugar_deploy.errors import DeployError
from sugar_deploy.files import sha256_of
from sugar_deploy.folder import Folder
from sugar_deploy.repository.derive.archive import KEYRING
from sugar_deploy.repository.derive.mirror import Mirror, debian_mirror
from sugar_deploy.repository.derive.resolver import Package
from sugar_deploy.repository.derive.seeds import SMALLEST
from sugar_deploy.repository.derive.systems import System
from sugar_deploy.repository.record import Record
from sugar_deploy.repository.signature import BadSignature, keyring, signed_text
from sugar_deploy.repository.snapshots import History
from sugar_deploy.resources import model_suites
from sugar_deploy.scenario.plan import Plan

_HERE = "copy:"
"""How apt names files of this machine."""


@dataclass(frozen=True, slots=True)
class Published(Mirror):
    """The deployment's own complete repository, in the place of a mirror."""

    def sources(self, suite: str) -> tuple[str, ...]:
        """It has no pockets: security updates are among the rest."""
        return (f"deb {self.main} {suite} main",)


def published_files(packages: Iterable[Package]) -> dict[str, Path]:
    """Where packages of a published tree lie, by their hash, each proved."""
    found = {one.sha256: Path(one.uri.removeprefix(_HERE)) for one in packages}
    for sha256, path in found.items():
        require_published(path, sha256)
    return found


def require_published(path: Path, sha256: str) -> None:
    """Raise DeployError unless a package of a published tree is there as it was published."""
    try:
        right = sha256_of(path) == sha256
    except OSError:
        right = False
    if not right:
        remedy = "Publish again: sugar-deploy repo publish; if it is on a stick, write that again"
        raise DeployError(f"{path} is not what was published", remedy)


@dataclass(frozen=True, slots=True)
class Origin:
    """Where Debian's packages of a system come from, who signs there, and what to do where something is missing."""

    mirror: Mirror
    keyring: Path
    distribution: str
    base: tuple[str, ...]
    """What every installation of Debian has."""
    remedy: str


@dataclass(frozen=True, slots=True)
class Source:
    """A snapshot, and the tree that holds its packages."""

    tree: Path
    key: Path
    """The public keys by which it is proved."""
    record: Record
    carried: Path | None = None
    """The stick that it is on: nothing else is asked then."""

    def origin(self, system: System, plan: Plan, folder: Folder) -> Origin:
        """The snapshot itself where it is to be enough for the images of the system's model, else the mirror.

        Raises DeployError where it is not, or where the deployment's key is missing, has expired or is another.
        """
        items = self.record.suites.get(system.distribution, ())
        debian = [one for one in items if one.origin == "debian"]
        remedy = self._remedy(system, plan, folder)
        if any(one.architecture == system.architecture for one in debian):
            self._require_signed(system.distribution, folder)
            fitting = {"all", system.architecture}
            required = {one.name for one in debian if one.required and one.architecture in fitting}
            base = ("?essential", *sorted(required))
            place = Published(f"{_HERE}{quote(str(self.tree.resolve()))}", None)
            return Origin(place, self.key.resolve(), system.distribution, base, remedy)
        if self.carried or _expected(system, plan):
            raise DeployError(
                f"snapshot {self.record.id} in {self.carried or self.tree} has nothing of Debian for images of "
                f"{system.model} ({system.suite}, {system.architecture})",
                remedy,
            )
        mirror = debian_mirror(plan.deployment.repository)
        return Origin(mirror, KEYRING, system.suite, (SMALLEST,), remedy)

    def _remedy(self, system: System, plan: Plan, folder: Folder) -> str:
        """How the snapshot comes to hold what the system needs."""
        suites = (
            "" if system.suite == model_suites(system.model)[0] else f", suites: {{{system.model}: {system.suite}}}"
        )
        images = f"`images: {{models: [{system.model}]{suites}}}` and `repository: {{contents: complete}}`"
        written = "" if _expected(system, plan) else f"Write {images} in deployment.yml. "
        if self.carried:
            command = f"sugar-deploy repo bundle {self.carried} --images -C {folder.root}"
            return f"{written}Where there is the Internet, write the stick again: {command}"
        return f"{written}With the Internet, derive what is missing: sugar-deploy repo publish -C {folder.root}"

    def _require_signed(self, distribution: str, folder: Folder) -> None:
        """What is wrong with the deployment's own key is not to be told as a fault of Debian's."""
        release = self.tree / "dists" / distribution / "InRelease"
        with keyring(self.key) as keys:
            try:
                signed_text(release, keys)
            except BadSignature as why:
                remedy = f"Publish again: sugar-deploy repo publish -C {folder.root}, which tells more"
                raise DeployError(f"{release}: {why}", remedy) from None


def published_source(folder: Folder) -> Source:
    """What the deployment has published here."""
    return Source(folder.published, folder.repository_key, History(folder).chosen(""))


def _expected(system: System, plan: Plan) -> bool:
    """Whether the deployment says that its repository is enough for images of this model and release."""
    images = plan.deployment.images
    if plan.deployment.repository.contents != "complete" or system.model not in images.models:
        return False
    return system.suite == images.suites.get(system.model, model_suites(system.model)[0])
