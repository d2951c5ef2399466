"""What may go wrong while an image is composed: what was kept stays sound, and the next run carries on."""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.image.compose.build import run
from tests.integration.image.killing import killed
from tests.integration.image.stages import FIRST, SECOND, Stages, image_of, kept


def files(folder: Path) -> dict[str, bytes]:
    """All of a folder but the stages' logs."""
    found = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*")}
    return {name: path.read_bytes() for name, path in found.items() if path.is_file() and path.suffix != ".log"}


@pytest.mark.parametrize("is_kept", [True, False])
def test_killed_anywhere(stages: Stages, tmp_path: Path, is_kept: bool) -> None:
    """The image is the former one or the new one, and the next run ends as if nothing had been."""
    stages.keep("first", is_kept=is_kept)
    place = tmp_path / "place"
    image = place / "image"

    def work() -> None:
        image_of(stages.recipe(), place / "cache", image)

    work()
    right, whole = files(place), files(image)
    former = {"root.tar": b"the former one", "recipe.json": b""}
    for number in itertools.count(1):
        shutil.rmtree(place)
        image.mkdir(parents=True)
        for name, content in former.items():
            (image / name).write_bytes(content)
        if not killed(number, work):
            break
        assert files(image) in (former, whole)
        work()
        assert files(place) == right
        assert {path.name for path in place.iterdir()} == {"cache", "image"}
    # Each stage is begun and run, and packed and kept if it is to be.
    assert number > (20 if is_kept else 15)


@pytest.mark.parametrize(("name", "script"), [("first", FIRST), ("second", SECOND)])
def test_killed_while_a_stage_works(stages: Stages, tmp_path: Path, name: str, script: str) -> None:
    """It works no longer, its folder and its mounts are gone, and the next run carries on."""
    cache, begun = tmp_path / "cache", tmp_path / "begun"
    stages.write(name, f"touch {begun}; exec sleep 4321{len(name)}")
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            run(stages.recipe(), cache, lambda _: None)
        os._exit(0)
    assert until(begun.exists)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert until(lambda: not running(str(tmp_path)) and not running(f"4321{len(name)}"))
    stages.write(name, script)
    assert kept(run(stages.recipe(), cache, print)[1]) == [name == "second", False]
    assert {path.name for path in (cache / "work").iterdir()} == {"second.log"} | {f"{name}.log"}
    assert str(tmp_path) not in Path("/proc/self/mountinfo").read_text()


def until(condition: Callable[[], bool], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.05)
    return condition()


def running(words: str) -> bool:
    """Whether a process other than ours and the next one's has these words in its command line."""
    return subprocess.run(["pgrep", "--full", words], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("damage", ["cut off", "other bytes", "no tree", "no proof", "empty proof"])
def test_a_damaged_entry_is_found_and_made_again(stages: Stages, tmp_path: Path, damage: str) -> None:
    tree, _ = run(stages.recipe(), tmp_path / "c", print)
    right, proof = tree.read_bytes(), tree.with_name("tree.json")
    if damage in {"cut off", "other bytes"}:
        tree.chmod(0o644)
        tree.write_bytes(right[:-1024] if damage == "cut off" else right.replace(b"one\none", b"one\nono"))
    elif damage == "empty proof":
        proof.write_bytes(b"")
    else:
        (tree if damage == "no tree" else proof).unlink()
    said: list[str] = []
    again, done = run(stages.recipe(), tmp_path / "c", said.append)
    assert again.read_bytes() == right
    assert kept(done) == [True, False]
    assert any("damaged" in line for line in said) is not damage.startswith("no")


def test_a_stage_that_fails_says_why_and_the_next_run_carries_on(stages: Stages, tmp_path: Path) -> None:
    stages.write("second", "echo 'package x: broken' >&2; exit 3")
    with pytest.raises(DeployError, match=r"(?s)stage second failed with status 3.*package x: broken") as failed:
        run(stages.recipe(), tmp_path / "c", print)
    log = re.search(r"The whole of it is in (.*)", failed.value.message)[1]
    assert Path(log).read_text() == "package x: broken\n"
    stages.write("second", SECOND)
    assert kept(run(stages.recipe(), tmp_path / "c", print)[1]) == [True, False]


def test_a_full_disk_wherever_it_fills_up(stages: Stages, small_disk: Callable[[int], Path]) -> None:
    """In a stage's work, as it is packed, or in the next one: told, cleared away, and what was done is kept."""
    stages.write("first", f'{FIRST}; head -c 1M /dev/zero > "$1"/large')
    stages.write("second", f'{SECOND}; cat "$1"/large "$1"/large > "$1"/larger')
    cache = small_disk(64) / "cache"
    said: list[str] = []
    told = []
    for kibibytes in (64, 512, 1536, 2560, 3584, 5632, 6656):
        small_disk(kibibytes)
        with pytest.raises(
            DeployError, match=r"^stage \w+: the disk that holds \S+/cache is full\. Make room"
        ) as full:
            run(stages.recipe(), cache, said.append)
        told.append(full.value.message.split()[1])
        assert not [path for path in (cache / "work").iterdir() if path.suffix != ".log"]
    assert told == ["first:"] * 3 + ["second:"] * 4
    small_disk(65536)
    assert kept(run(stages.recipe(), cache, print)[1]) == [True, False]
    assert not any("damaged" in line for line in said)


def test_a_full_disk_under_the_images_folder(
    stages: Stages, tmp_path: Path, small_disk: Callable[[int], Path]
) -> None:
    stages.write("second", f'{SECOND}; head -c 1M /dev/urandom > "$1"/large')
    image = small_disk(64) / "image"
    image.mkdir()
    (image / "recipe.json").touch()
    for kibibytes in (64, 512, 1024):
        small_disk(kibibytes)
        with pytest.raises(DeployError, match=r"^the disk that holds \S+/disk is full\. Make room there"):
            image_of(stages.recipe(), tmp_path / "c", image)
        assert {path.name for path in image.parent.iterdir()} == {"image"}
        assert files(image) == {"recipe.json": b""}
    small_disk(65536)
    tree = image_of(stages.recipe(), tmp_path / "c", image)
    assert (image / "root.tar").read_bytes() == tree.read_bytes()
