"""This machine as an installation finds it: its system, its folders, and what was installed before."""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sugar_deploy.errors import DeployError
from sugar_deploy.files import write_atomically
from sugar_deploy.repository.control import stanzas

_OUR_SOURCE = "# The deployment's own packages, kept by sugar-deploy."
_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]*")


@dataclass(frozen=True, slots=True)
class Installed:
    """The bundle that was installed last, as bundle.json says."""

    deployment: str
    school: str
    snapshot: str
    serial: int
    fingerprints: tuple[str, ...]
    installed_at: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The repository that is in use."""

    id: str
    serial: int


@dataclass(frozen=True, slots=True)
class Server:
    """Names the places of a server, and reads what is there."""

    root: Path = Path("/")

    @property
    def state(self) -> Path:
        """What sugar-deploy keeps on a server."""
        return self.root / "var/lib/sugar-deploy"

    @property
    def repository(self) -> Path:
        """The link to the carried repository that is in use."""
        return self.state / "repository"

    @property
    def incoming(self) -> Path:
        """What is being taken from a stick; a cut-off installation carries on from it."""
        return self.state / ".incoming"

    @property
    def first(self) -> Path:
        """What an image carries for its first start, until a machine has become a server."""
        return self.state / "first"

    @property
    def project(self) -> Path:
        """The rendered project of the last installation."""
        return self.state / "project"

    @property
    def runs(self) -> Path:
        """A folder for each installation, with its log and result."""
        return self.state / "runs"

    @property
    def lock(self) -> Path:
        """One installation at a time."""
        return self.root / "run/sugar-deploy-install.lock"

    @property
    def record(self) -> Path:
        """Written when an installation has succeeded."""
        return self.state / "bundle.json"

    @property
    def tools(self) -> Path:
        """One folder for each version of sugar-deploy."""
        return self.root / "opt/sugar-deploy"

    @property
    def command(self) -> Path:
        """The link to the version in use."""
        return self.root / "usr/local/bin/sugar-deploy"

    def pinned(self, deployment: str) -> Path:
        """The keys that the last installed bundle has proved."""
        return self.state / "keys" / f"{deployment}.asc"

    def trusted(self, deployment: str) -> Path | None:
        """The keys by which a bundle of this deployment is to be proved; None before the first installation."""
        # The second one is apt's: all that a server has that was deployed over SSH before.
        places = (self.pinned(deployment), self.root / "etc/apt/keyrings" / f"{deployment}.asc")
        return next((path for path in places if path.is_file()), None)

    def suite(self) -> str:
        """Debian's code name of the system; what /etc/os-release says, whatever that is."""
        with contextlib.suppress(OSError):
            for line in (self.root / "etc/os-release").read_text(errors="replace").splitlines():
                name, _, value = line.partition("=")
                if name == "VERSION_CODENAME":
                    return value.strip("\"' ")
        return "an unknown system"

    def architecture(self) -> str:
        """Debian's name of the architecture."""
        try:
            done = subprocess.run(["dpkg", "--print-architecture"], capture_output=True, text=True, check=True)
        except (OSError, subprocess.CalledProcessError) as error:
            raise DeployError("this machine has no dpkg", "Install Debian 12 or 13 on it first") from error
        return done.stdout.strip()

    def packages(self) -> frozenset[tuple[str, str]]:
        """Names and versions of the Debian packages that are installed; none where dpkg's record cannot be read."""
        with contextlib.suppress(OSError, ValueError):
            status = (self.root / "var/lib/dpkg/status").read_text(encoding="utf-8", errors="replace")
            return frozenset(
                (one.get("Package", ""), one.get("Version", ""))
                for one in stanzas(status)
                if one.get("Status", "").endswith(" installed")
            )
        return frozenset()

    def installed(self) -> Installed | None:
        """The last bundle; None before the first, and for a damaged record."""
        found = _mapping(self.record)
        try:
            return Installed(
                deployment=str(found["deployment"]),
                school=str(found["school"]),
                snapshot=str(found["snapshot"]),
                serial=int(found["serial"]),
                fingerprints=tuple(map(str, found["fingerprints"])),
                installed_at=str(found["installed_at"]),
            )
        except (KeyError, TypeError, ValueError):
            return None

    def record_installed(self, installed: Installed) -> None:
        """Say which bundle this server has now."""
        write_atomically(self.record, json.dumps({"format": 1, **asdict(installed)}, indent=2) + "\n", 0o644)

    def in_use(self) -> Snapshot | None:
        """The snapshot of the repository in use, whoever brought it; None where that cannot be told."""
        found = _mapping(self.repository / "snapshot.json")
        if isinstance(found.get("id"), str) and isinstance(found.get("serial"), int):
            return Snapshot(found["id"], found["serial"])
        installed = self.installed()
        return Snapshot(installed.snapshot, installed.serial) if installed else None

    def deployment(self) -> str | None:
        """The deployment that this server belongs to: by the last bundle, else by its apt source."""
        if installed := self.installed():
            return installed.deployment
        for path in sorted((self.root / "etc/apt/sources.list.d").glob("*.sources")):
            with contextlib.suppress(OSError):
                if _OUR_SOURCE in path.read_text(errors="replace") and _NAME.fullmatch(path.stem):
                    return path.stem
        return None

    def states(self) -> tuple[Path, ...]:
        """The folders of every carried repository, the one in use first."""
        with contextlib.suppress(OSError):
            used = self.repository.resolve()
            found = [path for path in self.state.iterdir() if path.name.startswith("repository-") and path.is_dir()]
            return tuple(sorted(found, key=lambda path: (path.resolve() != used, path.name)))
        return ()


def _mapping(path: Path) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(found, dict):
            return found
    return {}
