"""Work on many things in a row by several threads: hashing, deflating and inflating leave Python's lock to others."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 4
"""Results for each thread that may wait for being taken, which bounds the memory."""


def in_order(work: Callable[[Item], Result], items: Iterable[Item], workers: int = 0) -> Iterator[Result]:
    """What WORK makes of each item, in the items' order, taken as they are needed; a thread for each core by default.

    Where getting an item fails, the results of those before it come first.
    """
    count = workers or os.cpu_count() or 1
    waiting: deque[Future[Result]] = deque()
    failure: Exception | None = None
    pool = ThreadPoolExecutor(count)
    try:
        following = iter(items)
        while True:
            try:
                item = next(following)
            except StopIteration:
                break
            except Exception as error:  # raised again below
                failure = error
                break
            waiting.append(pool.submit(work, item))
            if len(waiting) > count * AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
    if failure:
        raise failure
