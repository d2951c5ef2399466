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
from typing import Callable

from sugar_server.store import KnownSerial, Outcome, Registration, Store

_log = logging.getLogger(__name__)
_LARGEST_BATCH = 200
_Job = tuple[Registration, KnownSerial, "Future[Outcome]"]


class Writer:
    """Enters registrations; a future is done once its registration is on the disk."""

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._store = open_store()
        self._jobs: queue.Queue[_Job | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def register(self, new: Registration, policy: KnownSerial) -> Future[Outcome]:
        future: Future[Outcome] = Future()
        self._jobs.put((new, policy, future))
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
            if job[2].set_running_or_notify_cancel():
                batch.append(job)
            if len(batch) >= _LARGEST_BATCH:
                return batch, False
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _write(self, batch: list[_Job]) -> None:
        outcomes: list[tuple[Future[Outcome], Outcome]] = []
        failures: list[tuple[Future[Outcome], Exception]] = []
        try:
            with self._store.transaction():
                for new, policy, future in batch:
                    try:
                        with self._store.part():
                            outcomes.append((future, self._store.register(new, policy)))
                    except Exception as error:
                        failures.append((future, error))
        except Exception as error:
            _log.error("The database took nothing of %d registrations: %s", len(batch), error)
            failures, outcomes = [(future, error) for _, _, future in batch], []
        for future, outcome in outcomes:
            future.set_result(outcome)
        for future, problem in failures:
            future.set_exception(problem)
