"""Our packages in other versions than their sources have, sound and broken, as the deployment's own .debs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from sugar_deploy.folder import Folder
from sugar_deploy.repository.build import build

# The package's scripts wait where a test wants the plug to be pulled.
WAIT = """\
#!/bin/sh
set -e
if [ -e /root/wait-in-{script}-{version} ]; then
    rm /root/wait-in-{script}-{version}
    touch /root/is-in-{script}-{version}
    sync
    sleep 120
fi
"""


def sound(_tree: Path) -> None:
    """As it is."""


def destroys_registrations(tree: Path) -> None:
    """The daemon loses what it should migrate, and gives up."""
    program = tree / "usr" / "bin" / "sugar-server"
    text = program.read_text()
    assert "sys.exit(main())" in text
    program.write_text(
        text.replace(
            "sys.exit(main())",
            'if sys.argv[1:2] == ["serve"]:\n'
            "    import glob, os\n"
            '    for path in glob.glob("/var/lib/sugar-server/*"):\n'
            "        os.unlink(path)\n"
            '    print("the migration has failed", flush=True)\n'
            "    sys.exit(2)\n"
            "sys.exit(main())",
        )
    )


def is_no_lua(tree: Path) -> None:
    """A module that Prosody cannot load, and an account that is lost."""
    module = tree / "usr" / "lib" / "prosody" / "modules" / "mod_sugar_roster" / "mod_sugar_roster.lua"
    assert module.exists()
    module.write_text("this is no Lua\n")
    script = tree / "DEBIAN" / "postinst"
    script.write_text(script.read_text().replace("set -e\n", "set -e\nrm -rf /var/lib/prosody/*\n", 1))


def make(folder: Folder, sources: Path, package: str, version: str, change: Callable[[Path], None] = sound) -> None:
    """Put the package of these sources into the deployment's debs/, instead of what was there of that name."""
    (built,) = (deb for one in build(sources=sources) for deb in one.debs if deb.name.startswith(f"{package}_"))
    tree = sources.parent / f"{package}-{version}"
    shutil.rmtree(tree, ignore_errors=True)
    subprocess.run(["dpkg-deb", "--raw-extract", str(built), str(tree)], check=True)
    control = tree / "DEBIAN" / "control"
    lines = [
        f"Version: {version}" if line.startswith("Version:") else line for line in control.read_text().splitlines()
    ]
    control.write_text("\n".join(lines) + "\n")
    for script in ("preinst", "postinst"):
        path = tree / "DEBIAN" / script
        rest = path.read_text().partition("set -e\n")[2] if path.exists() else ""
        path.write_text(WAIT.format(script=script, version=version) + rest)
        path.chmod(0o755)
    change(tree)
    folder.debs.mkdir(exist_ok=True)
    clear(folder, package)
    target = folder.debs / f"{package}_{version}_all.deb"
    subprocess.run(
        ["dpkg-deb", "--build", "--root-owner-group", str(tree), str(target)], check=True, capture_output=True
    )


def clear(folder: Folder, package: str) -> None:
    """Take the package out of debs/ again."""
    for old in folder.debs.glob(f"{package}_*.deb"):
        old.unlink()
