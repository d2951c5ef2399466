"""A build of an image that is broken off leaves nothing: at once where we are told, else at the next run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

# Stands in for mmdebstrap: fills the root a little and goes on for ever, in a process of its own as apt would be;
# `fails` beside it makes it fail at once.
BUILDER = """#!/bin/sh
for word; do case $word in */root) root=$word ;; esac; done
test ! -e "$(dirname "$0")/fails" || exit 1
mkdir -p "$root/etc"
: > "$root/etc/hostname"
tail -f "$root/etc/hostname" &
wait
"""
COMMANDS = [("lab", "up"), ("lab", "test", "--suite", "trixie"), ("demo",)]


def eventually(condition: Callable[[], bool], seconds: float = 60) -> bool:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


class Place:
    """A cache, a runtime folder and a builder of our own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.programs = root / "bin"
        self.temporary = root / "tmp"
        for folder in (self.programs, self.temporary):
            folder.mkdir()
        builder = self.programs / "mmdebstrap"
        builder.write_text(BUILDER)
        builder.chmod(0o755)

    def start(self, words: Sequence[str]) -> subprocess.Popen[str]:
        return subprocess.Popen(
            (sys.executable, "-m", "sugar_deploy", *words, "--backend", "nspawn"),
            env=os.environ
            | {
                "PATH": f"{self.programs}:{os.environ['PATH']}",
                "XDG_CACHE_HOME": str(self.root / "cache"),
                "SUGAR_DEPLOY_LAB_RUNTIME": str(self.root / "run"),
                "TMPDIR": str(self.temporary),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def started_building(self) -> bool:
        return any((self.root / "cache").rglob("etc/hostname")) and bool(self.builders())

    def builders(self) -> list[str]:
        """The processes of the build that are there."""
        found = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                line = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if f"{self.root}/cache" in line:
                found.append(line)
        return found

    def debris(self) -> list[str]:
        """What is left of builds and labs: folders, as locks and logs stay."""
        images = self.root / "cache" / "sugar-deploy" / "lab" / "images"
        places = (*images.iterdir(), *(self.root / "run").glob("*"))
        return [str(path) for path in places if path.is_dir()]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_build_that_is_ended_clears_away(place: Place, words: tuple[str, ...], how: signal.Signals) -> None:
    process = place.start(words)
    assert eventually(place.started_building), process.poll()
    process.send_signal(how)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert place.debris() == []
    assert list(place.temporary.iterdir()) == []
    assert eventually(lambda: not place.builders()), place.builders()


def test_what_a_killed_build_leaves_is_cleared_away_by_the_next(place: Place) -> None:
    process = place.start(("lab", "up"))
    assert eventually(place.started_building), process.poll()
    process.kill()
    process.communicate(timeout=60)
    assert eventually(lambda: not place.builders()), place.builders()
    assert place.debris(), "nobody was left to clear away"
    (place.programs / "fails").touch()
    said, _ = place.start(("lab", "up")).communicate(timeout=60)
    assert "mmdebstrap" in said
    assert place.debris() == []
