"""The deployment file's tree with the place of every key and value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sugar_deploy.deployment.faults import Fault, Path, dotted
from sugar_deploy.errors import Problem

Place = tuple[int, int]
"""Line and column, both from 1."""


@dataclass(slots=True)
class Node:
    """A value of the file: its plain data, its place, and the nodes below it."""

    data: Any
    place: Place
    keys: dict[str, tuple[Place, Node]] | None = None
    items: list[Node] | None = None
    size: int = 1
    """Nodes in this one, those that aliases repeat counted each time."""

    def child(self, part: str | int) -> tuple[Place, Node] | None:
        """The place of a key (or item) below this node, and its value."""
        if isinstance(part, str):
            return self.keys.get(part) if self.keys else None
        if self.items is not None and part < len(self.items):
            return self.items[part].place, self.items[part]
        return None

    def place_of(self, path: Path, *, at_key: bool) -> Place:
        """Where a path's value (or key) is; where it is missing, the nearest key above it."""
        node, key_place = self, (1, 1)
        for part in path:
            found = node.child(part)
            if found is None:
                return key_place
            key_place, node = found
        return key_place if at_key else node.place


@dataclass(frozen=True, slots=True)
class Tree:
    """A file's name and its root."""

    name: str
    root: Node

    def problem(self, fault: Fault) -> Problem:
        """The fault in its place."""
        line, column = self.root.place_of(fault.path, at_key=fault.at_key)
        return Problem(self.name, line, column, dotted(fault.path) or "file", fault.message, fault.remedy)

    def keys(self, path: Path) -> Iterator[str]:
        """The keys that the file itself writes below a path."""
        node = self.root
        for part in path:
            found = node.child(part)
            if found is None:
                return
            node = found[1]
        yield from node.keys or ()
