"""What an output tells of its system: read in one go, by a thread of its own, while file systems are made of it."""

from __future__ import annotations

import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sugar_deploy.image.outputs.listing import Listing
from sugar_deploy.image.outputs.sizes import Sizes
from sugar_deploy.image.reading import Read, attributes, read_tree

Attribute = tuple[str, str, bytes]
"""Path from the root, name, value."""


class Attributes:
    """Reads of a tree its extended attributes."""

    def __init__(self) -> None:
        self.found: list[Attribute] = []

    def entry(self, path: str, member: tarfile.TarInfo) -> None:
        """Note an entry's; no content is asked for."""
        self.found.extend((path, name, value) for name, value in attributes(member).items())


class Survey:
    """Begins at once; whoever asks for what was found waits for the end. Raises what reading raises."""

    def __init__(self, tree: Path) -> None:
        self._listing, self._sizes, self._attributes = Listing(), Sizes(), Attributes()
        with_one = ThreadPoolExecutor(1, thread_name_prefix="survey")
        self._read = with_one.submit(read_tree, tree, self._listing, self._sizes, self._attributes)
        with_one.shutdown(wait=False)

    def read(self) -> Read:
        """The tar's hash and newest date."""
        return self._read.result()

    def files(self) -> dict[str, str]:
        """The list of its files, as in `listing`."""
        self.read()
        return self._listing.files

    def sizes(self) -> dict[str, object]:
        """What fills it, as in `sizes`."""
        self.read()
        return self._sizes.told()

    def attributes(self) -> list[Attribute]:
        """Its extended attributes, as a program's capabilities are one."""
        self.read()
        return self._attributes.found
