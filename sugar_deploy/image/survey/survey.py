"""What an output tells of its system: read in one go, where it can be as that is packed, and kept beside that."""

from __future__ import annotations

import hashlib
import json
import tarfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from sugar_deploy.files import write_atomically
from sugar_deploy.image.survey.listing import Listing
from sugar_deploy.image.survey.reading import Read, Reader, attributes, read_tree
from sugar_deploy.image.survey.sizes import Sizes

Attribute = tuple[str, str, bytes]
"""Path from the root, name, value."""


class Attributes:
    """Reads of a tree its extended attributes."""

    def __init__(self) -> None:
        self.by_path: dict[str, dict[str, bytes]] = {}

    def entry(self, path: str, member: tarfile.TarInfo) -> None:
        """Note an entry's; no content is asked for."""
        self.by_path.pop(path, None)
        if found := attributes(member):
            self.by_path[path] = found

    @property
    def found(self) -> list[Attribute]:
        """All of them."""
        return [(path, name, value) for path, found in self.by_path.items() for name, value in found.items()]


class Survey:
    """Its READERS are given to whoever reads a tar, who says when it `has_read`; or it begins by itself.

    Whoever asks for what was found waits for the end. Raises what reading raises.
    """

    def __init__(self) -> None:
        self._listing, self._sizes, self._attributes = Listing(), Sizes(), Attributes()
        self._reads: list[Read] = []
        self._base: list[Attribute] | None = None
        self._going: Future[None] | None = None

    @classmethod
    def kept(cls, file: Path, sha256: str) -> Survey | None:
        """What `keep` wrote of the one tar with this hash; None where that is not there, or not what was written."""
        try:
            proof, text = file.read_text("utf-8").split("\n", 1)
            if proof != _proof(text.removesuffix("\n")):
                return None
            told = json.loads(text)
            ((found, newest),) = told["reads"]
        except (OSError, ValueError, KeyError):
            return None
        if found != sha256:
            return None
        survey = cls()
        survey.has_read(Read(found, newest))
        survey._listing.found.update(told["files"])
        survey._sizes.restore(told["sizes"])
        for path, name, value in told["attributes"]:
            survey._attributes.by_path.setdefault(path, {})[name] = bytes.fromhex(value)
        return survey

    @property
    def readers(self) -> tuple[Reader, ...]:
        """What is to be told of each of the tree's entries."""
        return self._listing, self._sizes, self._attributes

    def has_read(self, read: Read) -> None:
        """They have been told of a whole tar."""
        self._reads.append(read)

    def add(self, *trees: Path) -> None:
        """Read tars, each of which is laid over those before."""
        for tree in trees:
            if self._reads and self._base is None:
                self._base = self._attributes.found
            self.has_read(read_tree(tree, *self.readers))

    def begin(self, *trees: Path) -> None:
        """The same in a thread of its own, while file systems are made of them."""
        with_one = ThreadPoolExecutor(1, thread_name_prefix="survey")
        self._going = with_one.submit(self.add, *trees)
        with_one.shutdown(wait=False)

    def reads(self) -> tuple[Read, ...]:
        """Of each tar its hash and newest date."""
        if self._going:
            self._going.result()
        return tuple(self._reads)

    def files(self) -> dict[str, str]:
        """The list of its files, as in `listing`."""
        self.reads()
        return self._listing.files

    def sizes(self) -> dict[str, object]:
        """What fills it, as in `sizes`."""
        self.reads()
        return self._sizes.told()

    def attributes(self) -> list[Attribute]:
        """Its extended attributes, as a program's capabilities are one."""
        self.reads()
        return self._attributes.found

    def base_attributes(self) -> list[Attribute]:
        """Those of the first tar alone."""
        found = self.attributes()
        return found if self._base is None else self._base

    def keep(self, file: Path) -> None:
        """Write what was found, for `kept`."""
        told = {
            "reads": [(read.sha256, read.newest) for read in self.reads()],
            "files": self._listing.found,
            "sizes": self._sizes.state(),
            "attributes": [(path, name, value.hex()) for path, name, value in self._attributes.found],
        }
        text = json.dumps(told)
        write_atomically(file, f"{_proof(text)}\n{text}\n", 0o644)


def _proof(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
