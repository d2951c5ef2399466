"""What building and publishing need on the deployer's machine, with the command that installs it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping

from sugar_deploy.errors import DeployError
from sugar_deploy.keys.gpg import clean_environment
from sugar_deploy.repository.sources import Source

# Program → the Debian package that brings it.
BUILD_TOOLS = {"dpkg-buildpackage": "dpkg-dev", "dpkg-checkbuilddeps": "dpkg-dev", "make": "make"}
PUBLISH_TOOLS = {"aptly": "aptly", "gpg": "gnupg", "gpgv": "gpgv", "dpkg-deb": "dpkg"}
VERIFY_TOOLS = {"gpgv": "gpgv"}
LINT_TOOLS = {"lintian": "lintian"}


def require(tools: Mapping[str, str], purpose: str) -> None:
    """Raise DeployError naming all packages that bring the missing programs."""
    missing = {package for program, package in tools.items() if not shutil.which(program)}
    if missing:
        _raise_missing(missing, purpose)


def require_build_tools() -> None:
    """Raise DeployError unless dpkg's own build programs are there."""
    tools = dict(BUILD_TOOLS)
    if os.geteuid() != 0:
        tools["fakeroot"] = "fakeroot"
    require(tools, "packages cannot be built")


def require_build_dependencies(sources: Iterable[Source]) -> None:
    """Raise DeployError naming everything that the sources' Build-Depends ask for and that is not installed."""
    missing: set[str] = set()
    for source in sources:
        result = subprocess.run(
            ["dpkg-checkbuilddeps", "-I", "-P", "nocheck", str(source.path / "debian" / "control")],
            env=clean_environment() | {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
            capture_output=True,
            text=True,
            check=False,
        )
        unmet = parse_unmet(result.stderr)
        missing |= unmet
        if result.returncode and not unmet:
            raise DeployError(f"{source.path}/debian/control: {result.stderr.strip() or 'not readable'}")
    if missing:
        _raise_missing(missing, "packages cannot be built")


def parse_unmet(stderr: str) -> set[str]:
    """The Debian packages that `dpkg-checkbuilddeps` misses; of alternatives, the first."""
    found: set[str] = set()
    for listed in re.findall(r"(?i)unmet build dependencies: (.+)", stderr):
        plain = re.sub(r"\([^)]*\)|\s\|\s*\S+", "", listed)
        found |= {name.partition(":")[0] for name in plain.split()}
    return {"debhelper" if name == "debhelper-compat" else name for name in found}


def _raise_missing(packages: Iterable[str], purpose: str) -> None:
    names = " ".join(sorted(packages))
    raise DeployError(f"{purpose}, because this machine lacks {names}", f"Run: sudo apt-get install {names}")
