"""A chip of NAND that a script is carried out on: the commands' order, the partitions and what fills each."""

from __future__ import annotations

from sugar_deploy.image.nand import jffs2, ubi
from sugar_deploy.image.report import Report

CHIP_BLOCKS = 8192
"""Of the smallest laptop: 1 GiB in erase blocks of 128 KiB."""
_PARTITIONS, _NAME = 7, 15
"""At most so many, and characters in a name."""


class Order(Exception):
    """A command that the firmware must not be given here."""


class Chip:
    """Its methods are the commands; each raises Order where it must not stand."""

    def __init__(self, data_file: str) -> None:
        self.data_file = data_file
        self.blocks = 0
        """Erase blocks that were written."""
        self._data = self._erased = False
        self._sizes: dict[str, int] = {}
        self._filled: set[str] = set()
        self._here = ""
        self._written = 0
        self._pending: int | None = None
        self._checks: list[jffs2.Check | ubi.Check] = []
        self._unclean: dict[str, str] = {}
        """Warnings, by the partition that has no clean markers."""

    def data(self, name: str) -> None:
        """Open the data file."""
        if self._data:
            raise Order("there is a second data file")
        if name != self.data_file:
            raise Order(f"names {name}, and the data file is {self.data_file}")
        self._data = True

    def erase(self) -> None:
        """Wipe all of it, the partition map as well."""
        if not self._data:
            raise Order("stands before `data:`: the laptop would be wiped and have nothing to write")
        if self._sizes or self.blocks:
            raise Order("wipes what was just written")
        self._erased = True

    def partitions(self, table: str) -> None:
        """Write a partition map."""
        words = table.split()
        sizes = [int(word, 16) for word in words[1::2]]
        self._sizes = dict(zip(words[::2], sizes, strict=True))
        if not self._erased or self.blocks:
            raise Order("partitions are made behind `erase-all` and before the first block")
        if len(sizes) > _PARTITIONS or len(self._sizes) < len(sizes):
            raise Order(f"{len(sizes)} partitions: there can be {_PARTITIONS}, each of another name")
        if long := next((name for name in self._sizes if len(name) > _NAME), None):
            raise Order(f"{long} is longer than {_NAME} characters")
        if -1 in sizes[:-1] or 0 in sizes or sum(size for size in sizes if size > 0) >= CHIP_BLOCKS:
            raise Order(f"the partitions do not fit behind each other into {CHIP_BLOCKS} erase blocks")

    def select(self, name: str) -> None:
        """Write into another partition from now on."""
        self._close()
        names = list(self._sizes)
        if name.isdigit() and 0 < int(name) <= len(names):
            name = names[int(name) - 1]
        if name not in self._sizes:
            raise Order(f"there is no partition {name}")
        if name in self._filled:
            raise Order(f"{name} was written already")
        self._here, self._written = name, 0

    def pending(self, number: str) -> None:
        """Mark the partition as half written."""
        if self._written or self._pending is not None:
            raise Order(
                "stands behind blocks: a laptop that is switched off before would take half a system for whole"
            )
        self._pending = int(number, 16)

    def block(self, index: int, content: bytes) -> str:
        """Write the next erase block; gives a warning, or nothing."""
        if not self._erased:
            raise Order("writes into what was not erased: `erase-all` is missing")
        if self._sizes and not self._here:
            raise Order("writes into no partition: `set-partition:` is missing")
        if self._pending is None:
            raise Order("stands outside `mark-pending:` and `mark-complete:`")
        if not self._written:
            name = self._place()
            self._checks.append((ubi if content.startswith(ubi.MAGIC) else jffs2).Check(name))
            if isinstance(self._checks[-1], jffs2.Check):
                self._unclean[name] = f"{name}: has no `cleanmarkers`: the laptop erases its empty blocks once more"
        self._checks[-1].block(content)
        self.blocks += 1
        self._written += 1
        size = self._sizes.get(self._here, CHIP_BLOCKS)
        room = size if size > 0 else CHIP_BLOCKS - sum(one for one in self._sizes.values() if one > 0)
        if self._written > room:
            raise Order(f"there is no room for more than {room} blocks")
        return f"is number {index:x}, and {self._written - 1:x} in its order" if index != self._written - 1 else ""

    def clean(self) -> None:
        """Put JFFS2's clean markers into the blocks that are empty."""
        if self._pending is None or not self._written:
            raise Order("clean markers stand between a partition's blocks and `mark-complete:`")
        if isinstance(self._checks[-1], ubi.Check):
            raise Order("clean markers are JFFS2's, and UBI takes such blocks for damaged")
        self._unclean.pop(self._place(), None)

    def complete(self, number: str) -> None:
        """Mark the partition as wholly written."""
        if self._pending != int(number, 16) or not self._written:
            raise Order("completes what was not begun")
        self._filled.add(self._here)
        self._pending = None

    def end(self, report: Report) -> None:
        """Nothing more is to come."""
        if not self.blocks:
            raise Order("flashes nothing: has no line `eblock:`")
        self._close()
        for check in self._checks:
            found = check.report()
            report.errors += found.errors
            report.warnings += found.warnings
        report.warnings += self._unclean.values()
        if missing := self._sizes.keys() - self._filled:
            report.warnings.append(f"{self.data_file}: nothing is written into {', '.join(sorted(missing))}")

    def _place(self) -> str:
        return f"{self.data_file}{f', {self._here}' if self._here else ''}"

    def _close(self) -> None:
        if self._pending is not None:
            raise Order("`mark-complete:` is missing: the laptop takes the system for half written")
