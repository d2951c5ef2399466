"""A tar unpacked for programs that make a file system of a folder: they see owners and devices, without root.

fakeroot remembers both. What it mistakes are extended attributes: those are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sugar_deploy.image.outputs.programs import run

PRELOAD = "PROGRAM_PRELOAD"
"""In the environment: a library that only the program loads, in front of fakeroot's."""
_FILL = f"""set -eu
tree=$1
shift
mkdir "$tree"
while [ "$1" != -- ]; do
    tar --extract --file "$1" --directory "$tree" --numeric-owner --preserve-permissions --same-owner \\
        --delay-directory-restore
    shift
done
shift
LD_PRELOAD="${{{PRELOAD}:+${PRELOAD}:}}$LD_PRELOAD"
exec "$@"
"""


def run_on(
    unpacked: Path, tars: Sequence[Path], argv: Sequence[str], *, epoch: int, environment: Mapping[str, str] = {}
) -> None:
    """Unpack the tars, one over the other, into the folder UNPACKED, which is made, and run a program that reads it.

    Raises DeployError with what the program said.
    """
    fill = ["fakeroot", "--", "sh", "-c", _FILL, "fill", str(unpacked), *map(str, tars), "--", *argv]
    run(fill, epoch=epoch, environment=environment)
