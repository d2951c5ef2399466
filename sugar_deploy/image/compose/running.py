"""Runs a stage on a tree, in namespaces of its own: no root needed, no mount left, and it ends with us."""

from __future__ import annotations

import errno
import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.image.compose.stage import INSIDE, Input, Step
from sugar_deploy.repository.tools import require

TOOLS = {"arch-test": "arch-test", "dpkg": "dpkg", "unshare": "util-linux", "tar": "tar", "setpriv": "util-linux"}
UNPRIVILEGED_TOOLS = {"newuidmap": "uidmap"}
EPOCH = "1577836800"
"""2020-01-01: what programs inside take for now where they write a date into a file."""
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
    "SOURCE_DATE_EPOCH": EPOCH,
}
_LINES = 6


def namespaces(user: int) -> tuple[str, ...]:
    """The start of a command that works in namespaces of its own, as root there. Pure."""
    mapping = ("--map-root-user", "--map-auto") if user else ()
    return (
        *("setpriv", "--pdeathsig", "KILL", "--"),
        *("unshare", *mapping, "--mount", "--pid", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--"),
    )


def run_step(step: Step, before: Path | None, work: Path) -> Path:
    """The tree that a stage makes of the one BEFORE it; WORK is a folder that stays where it fails.

    Raises DeployError with what the stage said.
    """
    require(TOOLS | (UNPRIVILEGED_TOOLS if os.geteuid() else {}), "images cannot be composed")
    clear(work)
    try:
        work.mkdir(parents=True)
        _place(step, work / "stage")
        log = work.with_name(f"{step.name}.log")
        inside = step.folder.parent / INSIDE
        argv = (*namespaces(os.geteuid()), "sh", inside, work, before or "", step.program)
        _execute([str(word) for word in argv], work / "stage", log, step.name)
        tree = work.with_name(f"{work.name}.tar")
        (work / "out.tar").replace(tree)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise _full(step.name, work) from error
        raise
    finally:
        clear(work)
    return tree


def clear(work: Path) -> None:
    """Remove a stage's folder, which may have files of users that only exist in its namespace."""
    if not work.exists():
        return
    argv = (*namespaces(os.geteuid()), "rm", "-rf", "--one-file-system", "--", str(work))
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeployError(f"{work} cannot be removed: {done.stderr.strip()}", "Remove it as root")


def _place(step: Step, stage: Path) -> None:
    """Lay out what a stage reads: options/NAME, a line for each value, and inputs/NAME/."""
    (stage / "options").mkdir(parents=True)
    for name, value in step.options.items():
        lines = (value,) if isinstance(value, str) else value
        (stage / "options" / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    for name, one in step.inputs.items():
        _place_input(one, stage / "inputs" / name)


def _place_input(one: Input, folder: Path) -> None:
    folder.mkdir(parents=True)
    for name, path in one.files.items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            target.symlink_to(path.readlink())
        else:
            _link(path, target)
    if one.index is not None:
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            text = one.index(Path(scratch))
        (folder / "Packages").write_text(text, encoding="utf-8")


def _link(path: Path, target: Path) -> None:
    try:
        os.link(path, target)
    except OSError:  # another file system, or somebody else's file
        shutil.copy(path, target)


def _execute(argv: Sequence[str], folder: Path, log: Path, name: str) -> None:
    with log.open("wb") as out:
        done = subprocess.run(
            argv,
            cwd=folder,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode == 0:
        return
    said = log.read_text(encoding="utf-8", errors="replace")
    if "No space left on device" in said or "Disk quota exceeded" in said:
        raise _full(name, folder)
    last = "\n".join(f"  {line}" for line in said.splitlines()[-_LINES:])
    raise DeployError(
        f"stage {name} failed with status {done.returncode}:\n{last}\nThe whole of it is in {log}",
        f"Correct that and build again, which carries on from the stage before. It was run as: {shlex.join(argv)}",
    )


def _full(name: str, folder: Path) -> DeployError:
    return DeployError(
        f"stage {name}: the disk that holds {folder} is full",
        "Make room there, or set XDG_CACHE_HOME to a folder on a larger disk, and build again, which carries on",
    )
