"""What a school's server takes from a stick or card: activities and content for its library, and its activation.

The Sugar Network brought schools without the Internet their content on a card. No format of it is known that one
could write today, and our servers are none of its nodes: a card has the form that XS school servers took, which
`sugar-server import-activities` and `import-activation-stick` take as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.image.media.fat import NAME

LIBRARY, ACTIVATION = "xs-activity-server", "xs-activation"
MANIFEST = f"{LIBRARY}/manifest.sha256"
TAKEN = (".xo", ".xol", ".info")
"""Activities, content, and what the school says of them."""


def library_places(given: Sequence[Path]) -> Iterator[tuple[str, Path]]:
    """The place of each bundle and *.info file, which are given themselves or in folders. Raises UsageError."""
    for path in given:
        files = [file for file in sorted(path.iterdir()) if file.suffix in TAKEN] if path.is_dir() else [path]
        if not files:
            raise UsageError(f"{path} has no bundle in it", f"Name a folder with {', '.join(TAKEN)}")
        for file in files:
            if file.suffix not in TAKEN:
                raise UsageError(f"{file} is nothing for a library", f"It takes {', '.join(TAKEN)}")
            if not NAME.fullmatch(file.name):
                raise UsageError(f"{file}: not every stick holds such a name", "Use letters, digits, . _ + and -")
            yield f"{LIBRARY}/{file.name}", file


def delivery_places(folder: Path) -> Iterator[tuple[str, Path]]:
    """The places of what `lease deliver` wrote into a folder. Raises UsageError."""
    files = [path for path in sorted((folder / ACTIVATION).rglob("*")) if path.is_file()]
    if not files:
        raise UsageError(f"{folder} has no {ACTIVATION} in it", "Write it: sugar-deploy lease deliver SCHOOL FOLDER")
    yield from ((file.relative_to(folder).as_posix(), file) for file in files)


def is_for_server(place: str) -> bool:
    """Whether a place on a medium is a server's, and no laptop's."""
    return place.partition("/")[0] in {LIBRARY, ACTIVATION}
