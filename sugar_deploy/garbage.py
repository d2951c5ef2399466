"""Python's garbage collector, kept out of the way of work that leaves no garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """While thousands of frozen objects without cycles are built, looking for garbage would double the time.

    What was built is not looked through afterwards either, not even at the program's end; it goes as always when
    nobody refers to it any more.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.freeze()
            gc.enable()
