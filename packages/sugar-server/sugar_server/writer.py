# SPDX-License-Identifier: GPL-3.0-or-later
"""One thread writes to the database; what arrives together shares one commit.

On an SD card a commit takes tens of milliseconds: a class of thirty that registers at once waits for a few
commits, not for thirty in a row.
"""

from __future__ import annotations

import logging
import queue
import threading
from concurrent.futures import Future
from contextlib import AbstractContextManager
from typing import Any, Callable, Generic, Protocol, TypeVar

_log = logging.getLogger(__name__)
_LARGEST_BATCH = 200


class Transactions(Protocol):
    """What a room's store has in common with the others."""

    def transaction(self) -> AbstractContextManager[None]: ...
    def part(self) -> AbstractContextManager[None]: ...
    def close(self) -> None: ...


S = TypeVar("S", bound=Transactions)
T = TypeVar("T")
_Job = tuple[Callable[[Any], Any], "Future[Any]"]


class Writer(Generic[S]):
    """Does what is to be written to a store; a future is done once its work is on the disk."""

    def __init__(self, open_store: Callable[[], S]) -> None:
        self._store = open_store()
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, work: Callable[[S], T]) -> Future[T]:
        """Have WORK done on the store, in a transaction that it may share with others."""
        future: Future[T] = Future()
        self._jobs.put((work, future))
        return future

    def close(self) -> None:
        """Ends once everything that was submitted is written."""
        self._jobs.put(None)
        self._thread.join()
        self._store.close()

    def _run(self) -> None:
        while True:
            batch, ending = self._next_batch()
            if batch:
                self._write(batch)
            if ending:
                return

    def _next_batch(self) -> tuple[list[_Job], bool]:
        batch: list[_Job] = []
        job = self._jobs.get()
        while job is not None:
            if job[1].set_running_or_notify_cancel():
                batch.append(job)
            if len(batch) >= _LARGEST_BATCH:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _write(self, batch: list[_Job]) -> None:
        outcomes: list[tuple[Future[Any], Any]] = []
        failures: list[tuple[Future[Any], Exception]] = []
        try:
            with self._store.transaction():
                for work, future in batch:
                    try:
                        with self._store.part():
                            outcomes.append((future, work(self._store)))
                    except Exception as error:
                        failures.append((future, error))
        except Exception as error:
            _log.error("The database took nothing of %d changes: %s", len(batch), error)
            failures, outcomes = [(future, error) for _, future in batch], []
        for future, outcome in outcomes:
            future.set_result(outcome)
        for future, problem in failures:
            future.set_exception(problem)
