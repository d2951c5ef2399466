"""The model's own shape: which keys a section has, what a path leads to, and how a type is called."""

from __future__ import annotations

import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from sugar_deploy.deployment.faults import Path
from sugar_deploy.deployment.model import Deployment
from sugar_deploy.deployment.section import Section
from sugar_deploy.deployment.types import Wanted


@dataclass(frozen=True, slots=True)
class Shape:
    """A type without its `| None` and its annotations, and what those say."""

    type: Any
    wanted: Wanted | None
    nullable: bool

    @property
    def section(self) -> type[Section] | None:
        """The section that this is, if it is one."""
        return self.type if isinstance(self.type, type) and issubclass(self.type, Section) else None

    def child(self, part: str | int) -> Shape | None:
        """What a key or an index below this leads to."""
        origin, arguments = get_origin(self.type), get_args(self.type)
        if self.section:
            field = self.section.model_fields.get(str(part))
            return shape(field.annotation, field.metadata) if field else None
        if origin is dict:
            return shape(arguments[1])
        return shape(arguments[0]) if origin in {tuple, list} else None

    def key(self) -> Shape | None:
        """What this mapping's keys are, where they are free to choose."""
        return shape(get_args(self.type)[0]) if get_origin(self.type) is dict else None


def shape(annotation: Any, metadata: list[Any] | tuple[Any, ...] = ()) -> Shape:
    """The shape of an annotation."""
    wanted = next((each for each in metadata if isinstance(each, Wanted)), None)
    nullable = False
    while True:
        origin = get_origin(annotation)
        if origin is Annotated:
            annotation, *more = get_args(annotation)
            wanted = wanted or next((each for each in more if isinstance(each, Wanted)), None)
        elif origin in {Union, types.UnionType} and type(None) in get_args(annotation):
            nullable = True
            (annotation,) = (each for each in get_args(annotation) if each is not type(None))
        else:
            return Shape(annotation, wanted, nullable)


def at(path: Path, root: type[Section] = Deployment) -> Shape | None:
    """What a path from a section leads to; None if it leads nowhere."""
    found: Shape | None = shape(root)
    for part in path:
        found = found.child(part) if found else None
    return found


@cache
def leaves(section: type[Section]) -> dict[tuple[str, ...], Shape]:
    """The paths of all single values of a section and of those below it, in the model's order."""
    return dict(_leaves(section, ()))


def _leaves(section: type[Section], above: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Shape]]:
    for name, field in section.model_fields.items():
        found = shape(field.annotation, field.metadata)
        if found.section:
            yield from _leaves(found.section, (*above, name))
        else:
            yield (*above, name), found
