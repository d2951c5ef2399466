"""apt with one source only: a signed repository on this machine's own disk."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterable
from pathlib import Path

from sugar_deploy.errors import DeployError


def install_packages(names: Iterable[str], repository: Path, keys: Path, suite: str) -> None:
    """Install Debian packages from the repository alone, whatever the system's own sources are."""
    with tempfile.TemporaryDirectory(prefix="sugar-deploy-apt-") as name:
        work = Path(name)
        # Links of our own making: a URI has no room for the spaces of a path.
        (work / "repository").symlink_to(repository.resolve())
        (work / "parts").mkdir()
        (work / "lists" / "partial").mkdir(parents=True)
        (work / "archives" / "partial").mkdir(parents=True)
        shutil.copyfile(keys, work / "keys.asc")
        (work / "parts" / "stick.sources").write_text(
            f"Types: deb\nURIs: file:{work}/repository\nSuites: {suite}\nComponents: main\n"
            f"Signed-By: {work}/keys.asc\n"
        )
        options = apt_options(work)
        _run(["apt-get", "--quiet", *options, "update"])
        _run(["apt-get", "--quiet", "--yes", "--no-install-recommends", *options, "install", *names])


def apt_options(work: Path) -> list[str]:
    """Options that leave apt no source but the one in the work folder, and none of the system's lists."""
    settings = {
        "Dir::Etc::SourceList": "/dev/null",
        "Dir::Etc::SourceParts": f"{work}/parts",
        "Dir::State::Lists": f"{work}/lists",
        "Dir::Cache::Archives": f"{work}/archives",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Sandbox::User": "root",
        "APT::Update::Error-Mode": "any",
        "Acquire::Languages": "none",
        "DPkg::Lock::Timeout": "600",
    }
    return [part for name, value in settings.items() for part in ("--option", f"{name}={value}")]


def _run(argv: list[str]) -> None:
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LC_ALL": "C.UTF-8",
        "DEBIAN_FRONTEND": "noninteractive",
        "HOME": "/root",
    }
    done = subprocess.run(
        argv, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False
    )
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise DeployError(f"apt cannot install from the stick: {said}", "Run: dpkg --configure -a; then try again")
