"""What is sound in a faulty section, so that the rules can judge it in the same run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter, ValidationError

from sugar_deploy.deployment.model import Deployment, School
from sugar_deploy.deployment.section import Section

S = TypeVar("S", bound=Section)
_ROUNDS = 12
"""A faulty value takes its section along, that one the section above it, and so on up."""

_PLACEHOLDERS: dict[type[Section], dict[str, Any]] = {
    Deployment: {"version": 1, "name": "unnamed", "title": "Unnamed"},
    School: {"scenario": "online-peers", "server": {"address": "unknown.invalid"}},
}


@dataclass(frozen=True, slots=True)
class Salvaged(Generic[S]):
    """A section of which the faulty keys were cut off, and which ones those were."""

    section: S
    cut: frozenset[tuple[str, ...]]

    def judges(self, *keys: str) -> bool:
        """Whether dotted keys are as the deployer wrote them."""
        return not any(_touches(tuple(key.split(".")), cut) for key in keys for cut in self.cut)


def _touches(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def salvage(adapter: TypeAdapter[S], section: type[S], data: Any) -> Salvaged[S] | None:
    """Cut off what is faulty; None if nothing is left."""
    if not isinstance(data, dict):
        return None
    rest = _copied(data)
    cut: set[tuple[str, ...]] = set()
    for _round in range(_ROUNDS):
        try:
            return Salvaged(adapter.validate_python(rest), frozenset(cut))
        except ValidationError as error:
            for details in error.errors(include_url=False):
                path = _faulty(details["loc"], details["type"] == "missing")
                cut.add(path)
                if len(path) == 1 and details["type"] == "missing":
                    rest[path[0]] = _PLACEHOLDERS[section].get(path[0])
                else:
                    _delete(rest, path)
    return None


def _faulty(place: tuple[str | int, ...], missing: bool) -> tuple[str, ...]:
    keys: list[str] = []
    for part in place:
        # A list with a faulty item goes as a whole.
        if isinstance(part, int) or part == "[key]":
            break
        keys.append(part)
    return tuple(keys[:-1] if missing and len(keys) > 1 else keys)


def _copied(data: Any) -> Any:
    return {key: _copied(value) for key, value in data.items()} if isinstance(data, dict) else data


def _delete(data: dict[str, Any], path: tuple[str, ...]) -> None:
    for part in path[:-1]:
        below = data.get(part)
        if not isinstance(below, dict):
            return
        data = below
    data.pop(path[-1], None)
