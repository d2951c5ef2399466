"""A stage: a small executable with a description of what it takes; its id is a hash of all its inputs."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sugar_deploy.errors import UsageError
from sugar_deploy.resources import resource

FORMAT = 1
"""Raised when the same inputs would give another tree than before."""
INSIDE = "inside"
"""The program beside the stages that unpacks a tree, lets a stage work on it, and packs it."""
Options = Mapping[str, str | tuple[str, ...]]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Option(_Part):
    """What a stage may be told."""

    type: Literal["text", "list"]
    description: Annotated[str, Field(min_length=1)]


class Schema(_Part):
    """stage.yml: all that a stage takes, and nothing else is given to it."""

    description: Annotated[str, Field(min_length=1)]
    keep: str = Field("", description="Why its tree, a gigabyte or two, is worth keeping; else it is made again.")
    options: dict[str, Option] = Field(default_factory=dict)
    inputs: dict[str, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict, description="Folders with files, by name."
    )


@dataclass(frozen=True, slots=True)
class Input:
    """Files that a stage reads: where they are now, by their path in the stage's folder, and their identity."""

    files: Mapping[str, Path]
    identity: str
    index: Callable[[Path], str] | None = None
    """Gives the text of a file Packages that makes them a repository for apt; it is told a folder to work in."""


@dataclass(frozen=True, slots=True)
class Step:
    """A stage of one recipe."""

    name: str
    folder: Path
    options: Options = field(default_factory=dict)
    inputs: Mapping[str, Input] = field(default_factory=dict)
    kept: bool = False
    """Whether its tree is kept, which changes nothing about it."""

    @property
    def program(self) -> Path:
        """What does its work."""
        return self.folder / "run"

    def identity(self, before: str) -> str:
        """Names its result: a hash of everything that it is made from, BEFORE being the id of the stage before it."""
        beside = sorted(path for path in self.folder.parent.iterdir() if path.is_file())
        code = [hashlib.sha256(path.read_bytes()).hexdigest() for path in (self.program, *beside)]
        inputs = {name: one.identity for name, one in self.inputs.items()}
        text = json.dumps([FORMAT, self.name, code, dict(self.options), inputs, before], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:32]


def stages_folder() -> Path:
    """Where our stages are."""
    return resource("image") / "stages"


def read_schema(folder: Path) -> Schema:
    """A stage's description; UsageError where it has none, or a wrong one."""
    file = folder / "stage.yml"
    try:
        return Schema.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise UsageError(f"{folder.name}: there is no such stage", f"Give it a {file}") from None
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise UsageError(f"{file}: {faults}", "Correct the stage's file") from None


def make_step(
    name: str, options: Options | None = None, inputs: Mapping[str, Input] | None = None, folder: Path | None = None
) -> Step:
    """A stage with what it is told; UsageError unless that is just what its schema asks for."""
    place = (folder or stages_folder()) / name
    schema = read_schema(place)
    step = Step(name, place, options or {}, inputs or {}, kept=bool(schema.keep))
    wrong = [f"option {one}" for one in sorted(step.options.keys() ^ schema.options.keys())]
    wrong += [f"input {one}" for one in sorted(step.inputs.keys() ^ schema.inputs.keys())]
    wrong += [
        f"the type of {one}"
        for one, option in schema.options.items()
        if one in step.options and isinstance(step.options[one], str) != (option.type == "text")
    ]
    if wrong:
        raise UsageError(f"stage {name}: recipe and schema differ in {', '.join(wrong)}", "Correct one of them")
    return step


def folder_input(folder: Path, wanted: Callable[[str], bool] = lambda name: True) -> Input:
    """All files below a folder whose names, relative to it, are WANTED; empty where there is none."""
    files = {
        name: path
        for path in sorted(folder.rglob("*"))
        if (path.is_symlink() or path.is_file()) and wanted(name := path.relative_to(folder).as_posix())
    }
    total = hashlib.sha256()
    for name, path in files.items():
        content = str(path.readlink()).encode() if path.is_symlink() else path.read_bytes()
        mode = "link" if path.is_symlink() else f"{path.stat().st_mode & 0o111 != 0}"
        total.update(f"{name}\0{mode}\0{hashlib.sha256(content).hexdigest()}\n".encode())
    return Input(files, total.hexdigest())
