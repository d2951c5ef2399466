"""Runs stages on a tree, each in namespaces of its own: no root needed, no mount left, and it ends with us."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.image.compose.stage import INSIDE, Input, Step
from sugar_deploy.image.space import full, no_room
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
        *("unshare", *mapping, "--mount", "--pid", "--net", "--fork", "--kill-child=SIGKILL", "--mount-proc", "--"),
    )


def require_namespaces() -> None:
    """Raise DeployError where programs are missing, or where this user is not allowed what stages need."""
    user = os.geteuid()
    require(TOOLS | (UNPRIVILEGED_TOOLS if user else {}), "images cannot be composed")
    done = subprocess.run((*namespaces(user), "true"), capture_output=True, text=True, check=False)
    if done.returncode:
        raise DeployError(
            f"images cannot be composed by the user {user}, who may make no namespaces: {done.stderr.strip()}",
            "Compose as root, or give the user ids of its own: sudo usermod --add-subuids 700000-765535 "
            "--add-subgids 700000-765535 NAME",
        )


@dataclass(frozen=True, slots=True)
class Workshop:
    """Stages work in it one after another on the same tree: BEFORE, a tar, or nothing.

    It is below the folder AREA; the descriptors HELD are the stages' too. As a context it is cleared away if what is
    done in it fails.
    """

    area: Path
    before: Path | None
    held: Sequence[int] = ()

    @property
    def folder(self) -> Path:
        """The tree, and what a stage reads."""
        return self.area / "tree"

    @property
    def tree(self) -> Path:
        """The tree."""
        return self.folder / "root"

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind:
            clear(self.folder)

    def run(self, step: Step, *, is_packed: bool) -> Path | None:
        """Let a stage work on the tree; gives that packed, if it is to be.

        Raises DeployError with what the stage said, OSError where the disk is full.
        """
        stage, log = self.folder / "stage", self.area / f"{step.name}.log"
        packed = self.folder / "out.tar" if is_packed else None
        inside = (step.folder.parent / INSIDE, self.folder, self.before or "", step.program, packed or "")
        argv = [str(word) for word in (*namespaces(os.geteuid()), "sh", *inside)]
        _place(step, stage)
        _execute(argv, stage, log, step.name, self.held)
        clear(stage)
        return packed


class Unpacked:
    """A tree that stages made, for one who uses it up."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._going: subprocess.Popen[bytes] | None = None

    def drop(self) -> None:
        """Remove it meanwhile: ten thousands of files take the disk long, and the processor hardly any time."""
        self._going = subprocess.Popen(_clearing(self.folder))

    def wait(self) -> None:
        """Until it is gone, if it was dropped."""
        if self._going:
            self._going.wait()


def _clearing(folder: Path) -> tuple[str, ...]:
    """The command that removes a folder with files of users that only exist in a stage's namespace."""
    return (*namespaces(os.geteuid()), "rm", "-rf", "--one-file-system", "--", str(folder))


def clear(work: Path) -> None:
    """Remove a stage's folder, which may have files of users that only exist in its namespace."""
    if not work.exists():
        return
    done = subprocess.run(_clearing(work), capture_output=True, text=True, check=False)
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


def _execute(argv: Sequence[str], folder: Path, log: Path, name: str, held: Sequence[int]) -> None:
    said: deque[str] = deque(maxlen=_LINES)
    out_of_room = ""
    # What cannot be logged any more ends the stage as well.
    with (
        log.open("wb") as out,
        subprocess.Popen(
            argv,
            cwd=folder,
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=held,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            out.write(line)
            out.flush()
            said.append(line.decode("utf-8", "replace").rstrip())
            if full(said[-1]):
                out_of_room = said[-1]
    if process.returncode == 0:
        return
    if out_of_room:
        raise no_room(out_of_room)
    last = "\n".join(f"  {line}" for line in said)
    raise DeployError(
        f"stage {name} failed with status {process.returncode}:\n{last}\nThe whole of it is in {log}",
        "Correct that and build again, which carries on from the last stage that is kept. It was run as: "
        f"{shlex.join(argv)}",
    )
