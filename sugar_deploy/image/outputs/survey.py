"""What an output tells of its system: read in one go, where it can be as that is packed."""

from __future__ import annotations

import tarfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from sugar_deploy.image.outputs.listing import Listing
from sugar_deploy.image.outputs.sizes import Sizes
from sugar_deploy.image.reading import Read, Reader, attributes, read_tree

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
    """Its READERS are given to whoever reads the tar, who says when it `has_read`; or it begins by itself.

    Whoever asks for what was found waits for the end. Raises what reading raises.
    """

    def __init__(self) -> None:
        self._listing, self._sizes, self._attributes = Listing(), Sizes(), Attributes()
        self._read: Future[Read] = Future()

    @property
    def readers(self) -> tuple[Reader, ...]:
        """What is to be told of each of the tree's entries."""
        return self._listing, self._sizes, self._attributes

    def has_read(self, read: Read) -> None:
        """They have been told of all."""
        self._read.set_result(read)

    def begin(self, tree: Path) -> None:
        """Read the tar in a thread of its own, while file systems are made of it."""
        with_one = ThreadPoolExecutor(1, thread_name_prefix="survey")
        self._read = with_one.submit(read_tree, tree, *self.readers)
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
