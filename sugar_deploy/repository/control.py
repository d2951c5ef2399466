"""Debian's control syntax: the stanzas of Release and Packages files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Entry:
    """A file that a Release file vouches for."""

    digest: str
    size: int
    name: str


def stanzas(text: str) -> Iterator[dict[str, str]]:
    """Each stanza's fields; a field of several lines keeps their line breaks. Raises ValueError."""
    stanza: dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        if not line.strip():
            if stanza:
                yield stanza
            stanza, last = {}, ""
        elif line[0] in " \t":
            if not last:
                raise ValueError(f"a line continues nothing: {line!r}")
            stanza[last] += "\n" + line.strip()
        else:
            last, colon, value = line.partition(":")
            if not colon or last in stanza:
                raise ValueError(f"not a field of its own: {line!r}")
            stanza[last] = value.strip()
    if stanza:
        yield stanza


def release_entries(release: dict[str, str], algorithm: str) -> tuple[Entry, ...]:
    """The files under SHA256 or SHA512 in a Release file. Raises ValueError if there are none."""
    rows = [line.split() for line in release.get(algorithm, "").splitlines() if line]
    if not rows or any(len(row) != 3 for row in rows):
        raise ValueError(f"its {algorithm} list is missing or malformed")
    return tuple(Entry(digest, int(size), name) for digest, size, name in rows)
