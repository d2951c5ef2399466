"""Which packages Debian has to give, as apt itself would choose them on an empty machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from sugar_deploy.errors import DeployError
from sugar_deploy.keys.gpg import clean_environment
from sugar_deploy.repository.control import stanzas
from sugar_deploy.repository.debs import Deb
from sugar_deploy.repository.derive.apt import Apt
from sugar_deploy.repository.derive.faults import Kind, explain, read_fault
from sugar_deploy.repository.derive.seeds import Wanted

_URI = re.compile(r"'(?P<uri>[^']+)' (?P<name>[^_ ]+)_(?P<version>[^_ ]+)_(?P<architecture>[^_. ]+)\.deb ")
_REFUSED = re.compile(
    r"^E: (?:Unable to locate|Package '.*' has no|Version '.*' for|Unable to correct|Couldn't find|No packages found"
    r"|Unable to satisfy|.*held broken packages)",
    re.MULTILINE,
)


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """A package of Debian, as the signed indexes describe it."""

    name: str
    version: str
    architecture: str
    sha256: str
    size: int
    source: str
    uri: str
    required: bool = False
    """Whether every installation of Debian has it; the package itself may say otherwise."""


class Unresolved(Exception):
    """apt cannot install what is wanted; its own words."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """Asks apt for one suite and one architecture; OWN is the index of packages that are not Debian's."""

    apt: Apt
    own: Path

    def closure(self, wanted: Wanted) -> tuple[frozenset[Package], dict[tuple[str, ...], str]]:
        """Everything that is needed, and why something `besides` is not installable. Raises Unresolved."""
        try:
            return self._packages(self._install([*wanted.together, *wanted.besides])), {}
        except Unresolved:
            rows = self._install(wanted.together)
        failed: dict[tuple[str, ...], str] = {}
        for name in wanted.besides:
            try:
                rows |= self._install([*wanted.together, name])
            except Unresolved as reason:
                failed[name,] = str(reason)
        return self._packages(rows), failed

    def names(self) -> list[str]:
        """All that can be asked for."""
        return self.apt.run("apt-cache", "pkgnames").stdout.split()

    def _install(self, names: Sequence[str]) -> set[tuple[str, str, str, str]]:
        """(URI, name, version, architecture) of each package of Debian that apt would install."""
        argv = ["apt-get", "-q", "-y", "--with-source", str(self.own), "--print-uris", "install", *names]
        result = self.apt.run(*argv)
        if result.returncode:
            self._require_understood(result.stderr)
            raise Unresolved(reason(result.stdout, result.stderr))
        found = (_URI.match(line) for line in result.stdout.splitlines())
        return {
            (unquote(row["uri"]), row["name"], unquote(row["version"]), row["architecture"])
            for row in found
            if row and not row["uri"].startswith("file:")
        }

    def _require_understood(self, stderr: str) -> None:
        """Raise DeployError unless apt has failed because of what it was asked for."""
        if _REFUSED.search(stderr):
            return
        area = self.apt.configuration.parent.parent
        fault = read_fault(stderr)
        if fault.kind is Kind.FULL:
            raise explain(fault, area, "")
        raise DeployError(f"apt cannot use its indexes in {area}: {fault.line}", f"Remove {area}, and call again")

    def _packages(self, rows: Iterable[tuple[str, str, str, str]]) -> frozenset[Package]:
        """Their hashes and sources, from the indexes."""
        uris = {(name, version, architecture): uri for uri, name, version, architecture in rows}
        shown = self.apt.run("apt-cache", "show", *(f"{name}={version}" for name, version, _ in sorted(uris)))
        found: dict[tuple[str, str, str], Package] = {}
        for fields in stanzas(shown.stdout):
            key = (fields["Package"], fields["Version"], fields["Architecture"])
            if key in uris and uris[key].endswith(f"/{fields['Filename']}"):
                source = fields.get("Source", fields["Package"]).partition(" ")[0]
                required = fields.get("Priority") == "required"
                found[key] = Package(*key, fields["SHA256"], int(fields["Size"]), source, uris[key], required)
        if missing := uris.keys() - found.keys():
            raise DeployError(f"Debian's indexes do not describe {' '.join(min(missing))}", "Call again")
        return frozenset(found.values())


def reason(stdout: str, stderr: str) -> str:
    """Why apt refuses: which dependencies are unmet, else its errors."""
    _, _, unmet = stdout.partition("unmet dependencies:\n")
    lines = [line.strip() for line in unmet.splitlines() if ":" in line]
    lines = lines or [line.removeprefix("E: ") for line in stderr.splitlines() if line.startswith("E: ")]
    return "; ".join(" ".join(line.split()) for line in lines[:5]) or "apt gives no reason"


def write_own(own: Iterable[Deb], folder: Path) -> Path:
    """The index of packages that are not Debian's, for `apt-get --with-source`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(
        f"{_control(deb.path)}Filename: ./{number}.deb\nSize: {deb.path.stat().st_size}\nSHA256: {deb.sha256}\n\n"
        for number, deb in enumerate(own)
    )
    path = folder / "Packages"
    path.write_text(text, encoding="utf-8")
    return path


def _control(deb: Path) -> str:
    result = subprocess.run(
        ["dpkg-deb", "--field", str(deb)], env=clean_environment(), capture_output=True, text=True, check=False
    )
    if result.returncode:
        raise DeployError(f"{deb} cannot be read: {result.stderr.strip()}", "Replace it by a whole one, or remove it")
    return result.stdout.rstrip("\n") + "\n"
