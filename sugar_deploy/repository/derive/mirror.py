"""Where Debian comes from: the deployment's mirror, or this machine's own from its APT sources."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.deployment.model import Repository
from sugar_deploy.deployment.types import NO_SECURITY
from sugar_deploy.errors import DeployError

INSECURE = "There are no security updates of Debian in it: repository.security_mirror is none"
"""What is said each time of what is made without them."""
OVERRIDE = "SUGAR_DEPLOY_DEBIAN_MIRROR"
DEBIAN = "http://deb.debian.org/debian"
DEBIAN_SECURITY = "http://deb.debian.org/debian-security"

_CODENAMES = r"(?:stretch|buster|bullseye|bookworm|trixie|forky|sid|stable|oldstable|testing)"
_SUITE = re.compile(rf"{_CODENAMES}(?P<pocket>-updates|-security|/updates)?")


@dataclass(frozen=True, slots=True)
class Mirror:
    """Where a suite and its security updates come from."""

    main: str
    security: str | None

    def sources(self, suite: str) -> tuple[str, ...]:
        """Lines for sources.list."""
        lines = [f"deb {self.main} {suite} main"]
        if suite != "sid":
            lines.append(f"deb {self.main} {suite}-updates main")
            if self.security:
                lines.append(f"deb {self.security} {suite}-security main")
        return tuple(lines)

    @property
    def hosts(self) -> frozenset[str]:
        """The mirrors' host names: what machines of the lab may fetch from."""
        return frozenset(url.split("/")[2] for url in (self.main, self.security) if url)


def read_mirror(apt: Path = Path("/etc/apt")) -> Mirror:
    """The mirror in sources.list and sources.list.d; SUGAR_DEPLOY_DEBIAN_MIRROR overrides it."""
    if override := os.environ.get(OVERRIDE):
        return Mirror(override.rstrip("/"), None)
    main = security = None
    for uri, suite in _entries(apt):
        found = _SUITE.fullmatch(suite)
        if found is None or not uri.startswith(("http://", "https://")):
            continue
        if found["pocket"] in {"-security", "/updates"}:
            security = security or uri
        elif found["pocket"] is None:
            main = main or uri
    if main is None:
        raise DeployError(
            f"No Debian mirror is named in {apt}",
            f"Name one: export {OVERRIDE}={DEBIAN}",
        )
    return Mirror(main, security)


def debian_mirror(repository: Repository, apt: Path = Path("/etc/apt")) -> Mirror:
    """The mirror to derive from: the deployment file's, else this machine's, else Debian's own.

    There is always one for security updates, unless the file says `none`: a repository without them is not worth
    carrying.
    """
    try:
        own = read_mirror(apt)
    except DeployError:
        own = Mirror(DEBIAN, None)
    main = repository.mirror or own.main
    if repository.security_mirror == NO_SECURITY:
        return Mirror(main, None)
    return Mirror(main, repository.security_mirror or own.security or DEBIAN_SECURITY)


def _entries(apt: Path) -> Iterator[tuple[str, str]]:
    """(URI, suite) of each enabled source."""
    parts = apt / "sources.list.d"
    lists = [apt / "sources.list", *sorted(parts.glob("*.list"))]
    for file in lists:
        if file.is_file():
            yield from _one_line(file.read_text(encoding="utf-8", errors="replace"))
    for file in sorted(parts.glob("*.sources")):
        yield from _deb822(file.read_text(encoding="utf-8", errors="replace"))


def _one_line(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        match = re.match(r"\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)", line)
        if match:
            yield match[1].rstrip("/"), match[2]


def _deb822(text: str) -> Iterator[tuple[str, str]]:
    for stanza in re.split(r"\n[ \t]*\n", text):
        fields = _fields(stanza)
        if fields.get("enabled", "yes").strip().lower() in {"no", "false", "0"}:
            continue
        if "deb" not in fields.get("types", "").split():
            continue
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                yield uri.rstrip("/"), suite


def _fields(stanza: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    name = ""
    for line in stanza.splitlines():
        if line.startswith("#"):
            continue
        if line[:1] in {" ", "\t"} and name:
            fields[name] += " " + line.strip()
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields
