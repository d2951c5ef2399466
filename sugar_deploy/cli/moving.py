"""Progress of bytes that move: a bar with rate and time left on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from sugar_deploy.bundle.capacity import human

LINE_EVERY_SECONDS = 10.0


class Moving:
    """Shows how far the present step has come; a context manager, and the writing's watcher."""

    def __init__(self, console: Console, *, quiet: bool = False) -> None:
        self._console = console
        self._quiet = quiet
        columns = (BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeRemainingColumn())
        self._bar = (
            Progress(TextColumn("{task.description}"), *columns, console=console, transient=True)
            if console.is_terminal and not quiet
            else None
        )
        self._task: TaskID | None = None
        self._step, self._total, self._done = "", 0, 0
        self._begun = self._told = time.monotonic()

    def __enter__(self) -> Moving:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if self._bar:
            self._bar.stop()

    def begin(self, step: str, total: int) -> None:
        """A step begins."""
        self._step, self._total, self._done = step, total, 0
        self._begun = self._told = time.monotonic()
        if self._bar:
            if self._task is not None:
                self._bar.remove_task(self._task)
            self._task = self._bar.add_task(step, total=max(total, 1))
        elif total and not self._quiet:
            self._line(f"{step}: {human(total)}")

    def advance(self, amount: int) -> None:
        """So many bytes more are done."""
        self._done += amount
        if self._bar and self._task is not None:
            self._bar.advance(self._task, amount)
        elif not self._quiet and (now := time.monotonic()) - self._told > LINE_EVERY_SECONDS:
            self._told = now
            rate = self._done / (now - self._begun)
            left = int((self._total - self._done) / rate)
            self._line(
                f"{self._step}: {human(self._done)} of {human(self._total)}, {human(rate)}/s, "
                f"{left // 60}:{left % 60:02d} left"
            )

    def _line(self, text: str) -> None:
        self._console.print(text, markup=False, highlight=False)
