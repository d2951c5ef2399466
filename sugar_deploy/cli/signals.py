"""How a command ends that somebody stops."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator


@contextlib.contextmanager
def ended_by_signals() -> Iterator[None]:
    """A terminal that is closed, or `kill`, ends a run as Ctrl-C does: in order, and recorded.

    For a `with` block, or as a decorator. A run under `nohup` goes on when its terminal is closed.
    """
    numbers = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
