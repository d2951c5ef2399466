"""A recipe of two tiny stages."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from sugar_deploy.image.compose.build import making, write_folder
from sugar_deploy.image.compose.stage import INSIDE, Step, make_step, stages_folder

FIRST = 'mkdir -p "$1"/proc "$1"/dev "$1"/run "$1"/tmp "$1"/var/lib/dpkg; cat options/word > "$1"/word'
SECOND = 'test -r "$1"/proc/self/status; cat "$1"/word "$1"/word > "$1"/twice'
KEPT = "keep: so that tests find it"
Done = tuple[tuple[str, str, bool, float], ...]


class Stages:
    """A folder with both, which a test may change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def make(self) -> None:
        self.folder.mkdir()
        shutil.copy(stages_folder() / INSIDE, self.folder)
        self.write("first", FIRST, f"{KEPT}\noptions: {{word: {{type: text, description: what it writes}}}}")
        self.write("second", SECOND)

    def write(self, name: str, script: str, more: str = "") -> None:
        """Change what a stage does; its description stays."""
        (self.folder / name).mkdir(exist_ok=True)
        (self.folder / name / "run").write_text(f"#!/bin/sh\nset -eu\n{script}\n")
        (self.folder / name / "run").chmod(0o755)
        if not (self.folder / name / "stage.yml").exists():
            (self.folder / name / "stage.yml").write_text(f"description: for a test\n{more}\n")

    def keep(self, name: str, *, is_kept: bool) -> None:
        """Whether a stage's tree is kept, where it is not the last one."""
        description = self.folder / name / "stage.yml"
        text = description.read_text().replace(f"{KEPT}\n", "")
        description.write_text(text + f"{KEPT}\n" * is_kept)

    def recipe(self, word: str = "one") -> tuple[Step, ...]:
        return make_step("first", {"word": word}, folder=self.folder), make_step("second", folder=self.folder)


def kept(done: Done) -> list[bool]:
    """Of each stage, whether it was kept from before."""
    return [one[2] for one in done]


def image_of(recipe: Sequence[Step], cache: Path, image: Path, model: str = "generic-pc") -> Path:
    """Write the folder of an image; gives the tree that it was made of."""
    with making(recipe, cache, lambda _: None) as made:
        write_folder(made, image, {"model": model})
        return made.tree
