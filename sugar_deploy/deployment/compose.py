"""YAML → Tree, with every fault of the writing itself; bounded whatever the file holds.

A small loader of our own on PyYAML's events: it knows the place of every key, refuses duplicate keys, tags and
words that YAML's readers disagree on, and follows aliases and merge keys only so far.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import yaml

from sugar_deploy.deployment.faults import REPORTED, Path, dotted, shortened
from sugar_deploy.deployment.scalars import SurprisingScalar, plain
from sugar_deploy.deployment.source import MAX_REPORTED, Source
from sugar_deploy.deployment.syntax import syntax_problem
from sugar_deploy.deployment.tree import Node, Place, Tree
from sugar_deploy.errors import Problem

MAX_DEPTH = 20
MAX_REPEATED = 50_000
"""Nodes that aliases may repeat in all."""

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAB = re.compile(r"^[ ]*\t[ \t]*(?=[^\s#])", re.MULTILINE)
_HARD_SPACE = re.compile("^[ \t]*\xa0|[:-]\xa0", re.MULTILINE)


class _StopError(Exception):
    """Nothing more can be made of the file."""


def compose(source: Source, problems: list[Problem]) -> Tree | None:
    """The tree of a file, adding its faults to the problems; None if there is no mapping to go on with."""
    found = list(_indentation(source))
    composer = _Composer(source)
    root: Node | None = None
    try:
        root = composer.document()
    except _StopError:
        pass
    except yaml.YAMLError as error:
        problem = syntax_problem(source.name, error)
        # The parser stumbles over a tab or a hard space with less to say about it.
        if not any(each.line == problem.line for each in found):
            found.append(problem)
    problems += found + composer.problems
    return Tree(source.name, root) if root else None


def _indentation(source: Source) -> Iterator[Problem]:
    kinds = (
        (_TAB, "a tab in the indentation", "Indent with spaces."),
        (_HARD_SPACE, "a no-break space (U+00A0)", "Write an ordinary space."),
    )
    for pattern, message, remedy in kinds:
        for count, match in enumerate(pattern.finditer(source.text)):
            if count == MAX_REPORTED:
                break
            offset = match.start() + re.search("[\t\xa0]", match.group()).start()  # type: ignore[union-attr]
            line = source.text.count("\n", 0, offset) + 1
            column = offset - source.text.rfind("\n", 0, offset)
            yield Problem(source.name, line, column, "syntax", message, remedy)


class _Composer:
    def __init__(self, source: Source) -> None:
        self.problems: list[Problem] = []
        self._name = source.name
        self._events: Iterator[Any] = yaml.parse(source.text, Loader=_LOADER)
        self._anchors: dict[str, Node | None] = {}
        self._repeated = 0

    def document(self) -> Node | None:
        next(self._events)
        event = next(self._events)
        if isinstance(event, yaml.StreamEndEvent):
            self._report(event, (), "is empty", "Write one with `sugar-deploy init`.")
            return None
        first = next(self._events)
        root = self._node(first, ())
        next(self._events)
        event = next(self._events)
        if not isinstance(event, yaml.StreamEndEvent):
            self._report(event, (), "a second document begins here", "Delete the line `---`.")
        if root.keys is None:
            self._report(first, (), "is not a mapping of keys", "Begin it with `version: 1`.")
            return None
        return root

    def _node(self, event: Any, path: Path) -> Node:
        place = _place(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        if event.anchor is not None:
            if event.anchor in self._anchors:
                self._report(event, path, f"the anchor &{event.anchor} exists already", "Name it differently.")
            self._anchors[event.anchor] = None
        if event.tag is not None:
            message = f"tags mean nothing here: {shortened(event.tag)}"
            self._report(event, path, message, "Delete the tag, or put quotes around the value.")
        if len(path) > MAX_DEPTH:
            self._report(event, path, f"is deeper than {MAX_DEPTH} levels", "Nothing here is so deep.")
            raise _StopError
        if isinstance(event, yaml.ScalarEvent):
            node = Node(self._scalar(event, path), place)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._sequence(path, place)
        else:
            node = self._mapping(path, place)
        if event.tag is not None:
            node.data = REPORTED
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        return node

    def _alias(self, event: Any, path: Path) -> Node:
        target = self._anchors.get(event.anchor, REPORTED)
        if isinstance(target, Node):
            self._repeated += target.size
            if self._repeated > MAX_REPEATED:
                message = f"aliases repeat more than {MAX_REPEATED} values"
                self._report(event, path, message, "Describe thousands of schools in a CSV: schools_from.")
                raise _StopError
            return target
        if target is None:
            self._report(event, path, f"*{event.anchor} stands inside itself", "Write the value out.")
        else:
            remedy = f"Write &{event.anchor} before the value that it stands for, or quote it as text."
            self._report(event, path, f"*{event.anchor} has no anchor above", remedy)
        return Node(REPORTED, _place(event))

    def _scalar(self, event: Any, path: Path) -> Any:
        if not event.implicit[0]:
            return event.value
        try:
            return plain(event.value)
        except SurprisingScalar as surprise:
            self._report(event, path, surprise.message, surprise.remedy)
            return REPORTED

    def _sequence(self, path: Path, place: Place) -> Node:
        items: list[Node] = []
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(event, (*path, len(items))))
        size = 1 + sum(item.size for item in items)
        return Node([item.data for item in items], place, items=items, size=size)

    def _mapping(self, path: Path, place: Place) -> Node:
        keys: dict[str, tuple[Place, Node]] = {}
        merged: list[Node] = []
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path)
            value = self._node(next(self._events), (*path, key if key is not None else "?"))
            if key is None:
                continue
            if key == "<<" and event.implicit[0]:
                merged += self._merged(event, value, path)
            elif key in keys:
                line = keys[key][0][0]
                self._report(event, (*path, key), f"is written twice, first in line {line}", "Delete one of them.")
            else:
                keys[key] = (_place(event), value)
        for other in merged:
            keys = {**(other.keys or {}), **keys}
        size = 1 + sum(node.size for _place, node in keys.values())
        return Node({key: node.data for key, (_place, node) in keys.items()}, place, keys, size=size)

    def _key(self, event: Any, path: Path) -> str | None:
        if not isinstance(event, yaml.ScalarEvent):
            self._report(event, path, "a key must be a word", "Write `key: value`; quote what begins with [, { or *.")
            self._node(event, (*path, "?"))
            return None
        word = str(event.value)
        if event.anchor is not None or event.tag is not None:
            self._report(event, (*path, word), "a key takes no anchor and no tag", "Delete it.")
        if not event.implicit[0]:
            return word
        try:
            if isinstance(plain(word), str):
                return word
            message = "a key must be text"
        except SurprisingScalar as surprise:
            message = surprise.message if word else "a key is missing before the colon"
        self._report(event, (*path, word), message, f'Quote it: "{shortened(word)}".' if word else "Write it.")
        return None

    def _merged(self, event: Any, value: Node, path: Path) -> list[Node]:
        sources = value.items if value.items is not None else [value]
        if all(source.keys is not None for source in sources):
            return sources
        if value.data is not REPORTED:
            self._report(event, (*path, "<<"), "merges only mappings", "Write `<<: *name` of a mapping.")
        return []

    def _report(self, event: Any, path: Path, message: str, remedy: str) -> None:
        line, column = _place(event)
        self.problems.append(Problem(self._name, line, column, dotted(path) or "file", message, remedy))


def _place(event: Any) -> Place:
    return event.start_mark.line + 1, event.start_mark.column + 1
