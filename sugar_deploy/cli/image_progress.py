"""How far writing an image is, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID


@contextmanager
def blocks_shown(name: str, *, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """What is to be told of blocks of a `.zd` that are done, and in all: shows bytes, rate and the time left."""
    from sugar_deploy.image.zd.layout import BLOCK_SIZE

    with _bars(shown=shown) as bars:
        task = bars.add_task(name, total=None)
        yield lambda done, total: bars.update(task, completed=done * BLOCK_SIZE, total=total * BLOCK_SIZE)


@contextmanager
def steps_shown(*, shown: bool) -> Iterator[Callable[[str, int, int], None]]:
    """What is to be told of each step's bytes that are done, and in all: a line a step, as above."""
    with _bars(shown=shown) as bars:
        tasks: dict[str, TaskID] = {}

        def tell(step: str, done: int, total: int) -> None:
            if step not in tasks:
                tasks[step] = bars.add_task(step, total=total)
            bars.update(tasks[step], completed=done)

        yield tell


def _bars(*, shown: bool) -> Progress:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    console = Console(stderr=True)
    name = TextColumn("{task.description}")
    columns = (name, BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not shown or not console.is_terminal)
