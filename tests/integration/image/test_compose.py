"""The engine on a recipe of two tiny stages: the same bytes, what is kept, and what may go wrong. Needs root."""

from __future__ import annotations

import errno
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.image.compose import running
from sugar_deploy.image.compose.build import run, write_folder
from sugar_deploy.image.compose.stage import INSIDE, Step, make_step, stages_folder

FIRST = 'mkdir -p "$1"/proc "$1"/dev "$1"/run "$1"/tmp "$1"/var/lib/dpkg; cat options/word > "$1"/word'
SECOND = 'test -r "$1"/proc/self/status; cat "$1"/word "$1"/word > "$1"/twice'


@pytest.fixture
def stages(tmp_path: Path) -> Path:
    folder = tmp_path / "stages"
    folder.mkdir()
    shutil.copy(stages_folder() / INSIDE, folder)
    write(folder, "first", FIRST, "options: {word: {type: text, description: what it writes}}")
    write(folder, "second", SECOND)
    return folder


def write(folder: Path, name: str, script: str, more: str = "") -> None:
    (folder / name).mkdir(exist_ok=True)
    (folder / name / "run").write_text(f"#!/bin/sh\nset -eu\n{script}\n")
    (folder / name / "run").chmod(0o755)
    (folder / name / "stage.yml").write_text(f"description: for a test\n{more}\n")


def recipe(stages: Path, word: str = "one") -> tuple[Step, ...]:
    return make_step("first", {"word": word}, folder=stages), make_step("second", folder=stages)


def kept(done: tuple[tuple[str, str, bool, float], ...]) -> list[bool]:
    return [one[2] for one in done]


def test_twice_the_same_bytes_and_once_the_work(stages: Path, tmp_path: Path) -> None:
    one, first = run(recipe(stages), tmp_path / "a", print)
    other, _ = run(recipe(stages), tmp_path / "b", print)
    assert one.read_bytes() == other.read_bytes()
    assert kept(first) == [False, False]
    listed = subprocess.run(["tar", "-xOf", one, "./twice"], capture_output=True, text=True, check=True).stdout
    assert listed == "one\none\n"
    assert kept(run(recipe(stages), tmp_path / "a", print)[1]) == [True, True]
    write(stages, "second", SECOND + "; echo more >> $1/twice")
    assert kept(run(recipe(stages), tmp_path / "a", print)[1]) == [True, False]
    assert kept(run(recipe(stages, "two"), tmp_path / "a", print)[1]) == [False, False]


def test_a_damaged_tree_is_found_and_made_again(stages: Path, tmp_path: Path) -> None:
    tree, _ = run(recipe(stages), tmp_path / "c", print)
    right = tree.read_bytes()
    tree.chmod(0o644)
    tree.write_bytes(right.replace(b"one\none", b"one\nono"))
    said: list[str] = []
    again, done = run(recipe(stages), tmp_path / "c", said.append)
    assert again.read_bytes() == right
    assert kept(done) == [True, False]
    assert any("damaged" in line for line in said)


def test_a_stage_that_fails_says_why_and_the_next_run_carries_on(stages: Path, tmp_path: Path) -> None:
    write(stages, "second", "echo 'package x: broken' >&2; exit 3")
    with pytest.raises(DeployError, match=r"(?s)stage second failed with status 3.*package x: broken"):
        run(recipe(stages), tmp_path / "c", print)
    write(stages, "second", SECOND)
    assert kept(run(recipe(stages), tmp_path / "c", print)[1]) == [True, False]


def test_killed_in_a_stage(stages: Path, tmp_path: Path) -> None:
    """Nothing half done is taken for whole, nothing goes on running, and the next run clears what was left."""
    write(stages, "second", f"touch {tmp_path}/there; sleep 600")
    code = textwrap.dedent(f"""\
        from pathlib import Path
        from tests.integration.image.test_compose import recipe
        from sugar_deploy.image.compose.build import run
        run(recipe(Path({str(stages)!r})), Path({str(tmp_path / "c")!r}), print)
    """)
    process = subprocess.Popen([sys.executable, "-c", code])
    until = time.monotonic() + 60
    while not (tmp_path / "there").exists() and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    write(stages, "second", SECOND)
    assert kept(run(recipe(stages), tmp_path / "c", print)[1]) == [True, False]
    assert not list((tmp_path / "c/work").glob("*/root"))


def test_a_full_disk(stages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(stages, "second", "echo 'tar: x: Cannot write: No space left on device' >&2; exit 2")
    with pytest.raises(DeployError, match=r"disk that holds .* is full"):
        run(recipe(stages), tmp_path / "c", print)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    write(stages, "second", SECOND)
    with monkeypatch.context() as patch:
        patch.setattr(running, "_place", full)
        with pytest.raises(DeployError, match=r"disk that holds .* is full"):
            run(recipe(stages), tmp_path / "c", print)
    assert kept(run(recipe(stages), tmp_path / "c", print)[1]) == [True, False]


def test_a_recipe_that_does_not_fit_its_stage_is_refused(stages: Path) -> None:
    with pytest.raises(UsageError, match=r"first.*option word"):
        make_step("first", folder=stages)
    with pytest.raises(UsageError, match="the type of word"):
        make_step("first", {"word": ("one",)}, folder=stages)
    with pytest.raises(UsageError, match="no such stage"):
        make_step("third", folder=stages)


def test_the_folder_of_an_image(stages: Path, tmp_path: Path) -> None:
    status = "Package: a\\nVersion: 2\\nArchitecture: all\\nSource: b (1)\\n\\n"
    write(stages, "second", f"printf '{status}' > $1/var/lib/dpkg/status")
    tree, _ = run(recipe(stages), tmp_path / "c", print)
    write_folder(tree, tmp_path / "image", {"model": "generic-pc"})
    assert (tmp_path / "image/root.tar").read_bytes() == tree.read_bytes()
    assert '"source_version": "1"' in (tmp_path / "image/packages.json").read_text()
    assert '"model": "generic-pc"' in (tmp_path / "image/recipe.json").read_text()
