# SPDX-License-Identifier: GPL-3.0-or-later
"""Many leases at once, on all cores: RSA-2048 signing is all the work there is."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from itertools import islice

from olpc_security.issue import lease
from olpc_security.keys import PrivateKey
from olpc_security.laptop import Laptop
from olpc_security.records import Timed
from olpc_security.signatures import Sig02

_CHUNK = 128
_WAITING_PER_WORKER = 4


@dataclass(frozen=True)
class Wish:
    """A lease to issue."""

    laptop: Laptop
    expires: str
    chain: Sig02 | None = None


def issue_leases(key: PrivateKey, wishes: Iterable[Wish], now: int, workers: int | None = None) -> Iterator[Timed]:
    """The leases in the order of their wishes, as they get ready; raises Refusal at the first that must not be.

    WISHES are read only a little ahead, so that the caller may stream them, tell the progress, and stop. WORKERS are
    as many processes as there are cores to use; the key reaches them through pipes, never by their arguments.
    """
    count = workers or len(os.sched_getaffinity(0))
    if count == 1:
        yield from (_issued(key, wish, now) for wish in wishes)
        return
    rest = iter(wishes)
    executor = ProcessPoolExecutor(count, initializer=_take_key, initargs=(key.der, now))
    waiting: deque[Future[list[Timed]]] = deque()
    try:
        while True:
            while len(waiting) < count * _WAITING_PER_WORKER and (chunk := list(islice(rest, _CHUNK))):
                waiting.append(executor.submit(_issue_chunk, chunk))
            if not waiting:
                return
            yield from waiting.popleft().result()
    finally:
        executor.shutdown(cancel_futures=True)


def _issued(key: PrivateKey, wish: Wish, now: int) -> Timed:
    return lease(key, wish.laptop, wish.expires, now, wish.chain)


class _Worker:
    """What a worker process holds."""

    key: PrivateKey
    now: int


def _take_key(der: bytes, now: int) -> None:
    _Worker.key, _Worker.now = PrivateKey.from_der(der), now
    # A parent that was killed cannot tell its workers to stop: they would wait for ever, with the key in memory.
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _issue_chunk(wishes: list[Wish]) -> list[Timed]:
    return [_issued(_Worker.key, wish, _Worker.now) for wish in wishes]
