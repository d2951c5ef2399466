"""The engine on a recipe of two tiny stages: the same bytes, and what is kept. Needs root."""

from __future__ import annotations

import hashlib
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.image.compose.build import run
from sugar_deploy.image.compose.stage import make_step
from tests.integration.image.stages import FIRST, SECOND, Stages, image_of, kept


def test_twice_the_same_bytes_and_once_the_work(stages: Stages, tmp_path: Path) -> None:
    one, first = run(stages.recipe(), tmp_path / "a", print)
    other, _ = run(stages.recipe(), tmp_path / "b", print)
    assert one.read_bytes() == other.read_bytes()
    assert kept(first) == [False, False]
    listed = subprocess.run(["tar", "-xOf", one, "./twice"], capture_output=True, text=True, check=True).stdout
    assert listed == "one\none\n"
    assert kept(run(stages.recipe(), tmp_path / "a", print)[1]) == [True, True]
    stages.write("second", SECOND + "; echo more >> $1/twice")
    assert kept(run(stages.recipe(), tmp_path / "a", print)[1]) == [True, False]
    assert kept(run(stages.recipe("two"), tmp_path / "a", print)[1]) == [False, False]


def test_a_stage_that_is_not_kept_hands_its_tree_on(stages: Stages, tmp_path: Path) -> None:
    """Without packing it: the last one's is the same to the byte, dates and all."""
    stages.write("first", f'{FIRST}; mkdir "$1"/d; echo > "$1"/d/a; touch --date=@1500000000.5 "$1"/d/a "$1"/old')
    stages.write("second", f'{SECOND}; echo > "$1"/d/b; chmod 600 "$1"/old; ln "$1"/d/a "$1"/linked')
    one, first = run(stages.recipe(), tmp_path / "a", print)
    stages.keep("first", is_kept=False)
    other, second = run(stages.recipe(), tmp_path / "b", print)
    assert one.read_bytes() == other.read_bytes()
    assert [stage[1] for stage in first] == [stage[1] for stage in second]
    assert [path.parent for path in (tmp_path / "b").rglob("root.tar")] == [other.parent]
    assert kept(run(stages.recipe(), tmp_path / "b", print)[1]) == [True, True]
    stages.write("second", SECOND)
    assert kept(run(stages.recipe(), tmp_path / "b", print)[1]) == [False, False]


def test_a_recipe_that_does_not_fit_its_stage_is_refused(stages: Stages) -> None:
    with pytest.raises(UsageError, match=r"first.*option word"):
        make_step("first", folder=stages.folder)
    with pytest.raises(UsageError, match="the type of word"):
        make_step("first", {"word": ("one",)}, folder=stages.folder)
    with pytest.raises(UsageError, match="no such stage"):
        make_step("third", folder=stages.folder)


def test_the_folder_of_an_image(stages: Stages, tmp_path: Path) -> None:
    status = "Package: a\\nVersion: 2\\nArchitecture: all\\nSource: b (1)\\n\\n"
    stages.write("second", f"printf '{status}' > $1/var/lib/dpkg/status")
    tree = image_of(stages.recipe(), tmp_path / "c", tmp_path / "image")
    copy = tmp_path / "image/root.tar"
    assert copy.read_bytes() == tree.read_bytes()
    told = json.loads((tmp_path / "image/recipe.json").read_text())
    assert told["root_sha256"] == hashlib.sha256(tree.read_bytes()).hexdigest()
    with tarfile.open(tree) as tar:
        assert told["source_date_epoch"] == max(int(member.mtime) for member in tar)
    # What is kept is not used if somebody edits the image.
    with copy.open("r+b") as file:
        file.write(b"another")
    again, _ = run(stages.recipe(), tmp_path / "c", print)
    assert hashlib.sha256(again.read_bytes()).hexdigest() == told["root_sha256"]
    assert '"source_version": "1"' in (tmp_path / "image/packages.json").read_text()
    assert '"model": "generic-pc"' in (tmp_path / "image/recipe.json").read_text()
