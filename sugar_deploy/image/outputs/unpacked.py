"""A tar unpacked for programs that make a file system of a folder: they see owners and devices, without root.

fakeroot remembers both, and takes a third of the time for it, which root saves. What it mistakes are extended
attributes: those are left out.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from sugar_deploy.image.compose.running import namespaces
from sugar_deploy.image.outputs.programs import run
from sugar_deploy.image.survey.survey import Attribute

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
export LD_PRELOAD="${{{PRELOAD}:+${PRELOAD}:}}${{LD_PRELOAD:-}}"
exec "$@"
"""
_BARE = """import os, sys
words = os.fsencode(sys.stdin.read()).split(b"\\0")
for path, name in zip(words[::2], words[1::2]):
    os.removexattr(os.fsencode(sys.argv[1]) + path, name, follow_symlinks=False)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def run_on(
    unpacked: Path, tars: Sequence[Path], argv: Sequence[str], *, epoch: int, environment: Mapping[str, str] = {}
) -> None:
    """Unpack the tars, one over the other, into the folder UNPACKED, which is made, and run a program that reads it.

    Raises DeployError with what the program said.
    """
    faked = () if _is_root() and PRELOAD not in environment else ("fakeroot", "--")
    fill = [*faked, "sh", "-c", _FILL, "fill", str(unpacked), *map(str, tars), "--", *argv]
    run(fill, epoch=epoch, environment=environment)


def run_on_stages(tree: Path, attributes: Iterable[Attribute], argv: Sequence[str], *, epoch: int) -> None:
    """Run a program that reads a folder which stages have made, with its owners as they saw them.

    Its extended ATTRIBUTES are taken away before, so that it is as one that is unpacked above.
    """
    words = "\0".join(word for path, name, _ in attributes for word in (path, name))
    bare = [sys.executable, "-I", "-c", _BARE, str(tree), *argv]
    run([*namespaces(os.geteuid()), *bare], epoch=epoch, stdin=words)


def _is_root() -> bool:
    """Whether it may make every owner and device; root of a user namespace may not."""
    return os.geteuid() == 0 and Path("/proc/self/uid_map").read_text("ascii").split() == ["0", "0", str(2**32 - 1)]
