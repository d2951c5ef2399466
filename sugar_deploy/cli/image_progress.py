"""How far writing an image is, on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def blocks_shown(name: str, *, shown: bool) -> Iterator[Callable[[int, int], None]]:
    """What is to be told of blocks of a `.zd` that are done, and in all: shows bytes, rate and the time left."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from sugar_deploy.image.zd.layout import BLOCK_SIZE

    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeRemainingColumn())
    hidden = not shown or not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done * BLOCK_SIZE, total=total * BLOCK_SIZE)
