# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocking calls beside the event loop, with a deadline that also holds when the program ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


async def in_background(function: Callable[[], T], seconds: float) -> T:
    """What the function returns or raises; TimeoutError after so many seconds.

    The thread is a daemon: one that still waits on a silent server does not hold up the end of the program, as
    the event loop's own executor would.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[T] = loop.create_future()

    def settle(result: object, error: BaseException | None) -> None:
        if future.done():
            return
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result: object = None
        failure: BaseException | None = None
        try:
            result = function()
        except BaseException as error:  # carried over to the loop, whatever it is
            failure = error
        try:
            loop.call_soon_threadsafe(settle, result, failure)
        except RuntimeError:
            return  # the loop has ended meanwhile

    threading.Thread(target=work, daemon=True).start()
    try:
        return await asyncio.wait_for(future, seconds)
    except asyncio.TimeoutError:
        raise TimeoutError(f"nothing within {seconds:g} s") from None
