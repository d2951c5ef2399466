"""Newer packages for a trial: of ours, of Debian's, and one that is broken on purpose."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.lab.process import execute
from sugar_deploy.lab.steps import own, report_of
from sugar_deploy.resources import resource

OURS = "sugar-server"
DEBIANS = "media-types"
"""Small, for all architectures, and on every server: python3 brings it."""

CAUSE = "broken on purpose, by the lab"
"""The broken daemon's last words."""

# As bad as it gets: the data goes first, then the service does not come up.
BROKEN = """import sqlite3

if "serve" in sys.argv:
    with sqlite3.connect("/var/lib/sugar-server/registrations.db") as database:
        for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            if not name.startswith("sqlite_"):
                database.execute("DROP TABLE " + name)
    sys.exit("sugar-server: CAUSE")

""".replace("CAUSE", CAUSE)


class Newer:
    """Puts newer packages where a deployer puts his own: into the folder's debs/."""

    def __init__(self, folder: Folder, work: Path) -> None:
        self.folder = folder
        self.work = work

    def add(self, number: int, *, broken: bool = False) -> dict[str, str]:
        """Our daemon, and a package of Debian's, in the NUMBERth newer version; their versions by name."""
        sources = self.work / f"sources-{number}"
        shutil.rmtree(sources, ignore_errors=True)
        source = sources / OURS
        shutil.copytree(resource("packages") / OURS, source, symlinks=True)
        version = f"{version_of(source)}+lab{number}"
        raise_version(source, version)
        if broken:
            program = source / "bin" / OURS
            text = program.read_text(encoding="utf-8")
            program.write_text(text.replace("from sugar_server", f"{BROKEN}from sugar_server", 1), encoding="utf-8")
        built = report_of(own(("repo", "build", "-C", str(self.folder.root), "--sources", str(sources), "--json")))
        self.folder.debs.mkdir(exist_ok=True)
        for deb in built["packages"][0]["debs"]:
            shutil.copy(deb, self.folder.debs)
        return {OURS: version, DEBIANS: self._debians(number)}

    def take_back(self, number: int) -> None:
        """Remove what `add` brought under that number."""
        for deb in self.folder.debs.glob(f"*+lab{number}_*.deb"):
            deb.unlink()

    def _debians(self, number: int) -> str:
        found = sorted(self.folder.published.glob(f"pool/**/{DEBIANS}_*_all.deb"))
        if not found:
            raise DeployError(f"The repository holds no {DEBIANS}", "Publish with `contents: complete`")
        root = self.work / f"{DEBIANS}-{number}"
        shutil.rmtree(root, ignore_errors=True)
        execute(("dpkg-deb", "--raw-extract", str(found[-1]), str(root)))
        control = root / "DEBIAN" / "control"
        text = control.read_text(encoding="utf-8")
        plain = re.findall(r"(?m)^Version: (.+?)(?:[+]lab\d+)?$", text)[0]
        version = f"{plain}+lab{number}"
        control.write_text(re.sub(r"(?m)^Version: .+$", f"Version: {version}", text), encoding="utf-8")
        target = self.folder.debs / f"{DEBIANS}_{version}_all.deb"
        execute(("dpkg-deb", "--root-owner-group", "--build", str(root), str(target)))
        return version


def _changelog(source: Path) -> tuple[Path, str]:
    file = source / "debian" / "changelog"
    return file, file.read_text(encoding="utf-8")


def version_of(source: Path) -> str:
    """The newest version in a source package's changelog."""
    return _changelog(source)[1].partition("(")[2].partition(")")[0]


def raise_version(source: Path, version: str) -> None:
    """Begin the changelog with a newer entry, of the same day."""
    file, text = _changelog(source)
    first, _, rest = text.partition("\n -- ")
    trailer = rest.partition("\n")[0]
    head = first.splitlines()[0].partition(")")[2]
    file.write_text(
        f"{source.name} ({version}){head}\n\n  * Newer, for the lab.\n\n -- {trailer}\n\n{text}", encoding="utf-8"
    )
