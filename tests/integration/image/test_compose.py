"""The engine on a recipe of two tiny stages: the same bytes, and what is kept. Needs root."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.image.compose.build import run, write_folder
from sugar_deploy.image.compose.stage import make_step
from tests.integration.image.stages import SECOND, Stages, kept


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
    tree, _ = run(stages.recipe(), tmp_path / "c", print)
    write_folder(tree, tmp_path / "image", {"model": "generic-pc"})
    assert (tmp_path / "image/root.tar").read_bytes() == tree.read_bytes()
    assert '"source_version": "1"' in (tmp_path / "image/packages.json").read_text()
    assert '"model": "generic-pc"' in (tmp_path / "image/recipe.json").read_text()
