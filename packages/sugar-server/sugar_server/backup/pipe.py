# SPDX-License-Identifier: GPL-3.0-or-later
"""A program whose input and output are a laptop's."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import Callable, Protocol

_CHUNK = 64 * 1024
_SECONDS_TO_END = 10


class Streams(Protocol):
    """The laptop's side."""

    async def read(self, most: int) -> bytes:
        """What comes next; empty at the end, also when the laptop is gone."""
        ...

    def write(self, data: bytes) -> None: ...

    def write_error(self, data: bytes) -> None: ...

    async def drain(self) -> None: ...


async def run(argv: list[str], folder: Path, streams: Streams, check: Callable[[], None] | None = None) -> int:
    """Runs ARGV in FOLDER until it ends and returns its status; what CHECK raises, once a second, ends it."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin and process.stdout and process.stderr
    incoming = asyncio.ensure_future(_feed(streams, process.stdin))
    outgoing = asyncio.gather(
        _give(process.stdout, streams.write, streams), _give(process.stderr, streams.write_error, streams)
    )
    try:
        while not outgoing.done():
            await asyncio.wait([outgoing], timeout=1)
            if check:
                check()
        await outgoing
        return await process.wait()
    finally:
        for task in (incoming, outgoing):
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await outgoing
        await _end(process)
        await _close(process.stdin)


async def _feed(streams: Streams, stdin: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await streams.read(_CHUNK):
            stdin.write(data)
            await stdin.drain()
    # rsync ends by itself when its input does, and keeps what it has of the file that it is at.
    with contextlib.suppress(OSError):
        stdin.close()


async def _close(stdin: asyncio.StreamWriter) -> None:
    """Ends the input, and hears of its fate, which before Python 3.12 is logged as an error of ours otherwise."""
    with contextlib.suppress(OSError, asyncio.TimeoutError):
        stdin.close()
        await asyncio.wait_for(stdin.wait_closed(), _SECONDS_TO_END)


async def _give(source: asyncio.StreamReader, write: Callable[[bytes], None], streams: Streams) -> None:
    gone = False
    while data := await source.read(_CHUNK):
        if gone:
            continue
        try:
            write(data)
            await streams.drain()
        except OSError:
            gone = True


async def _end(process: asyncio.subprocess.Process) -> None:
    """No program outlives its session: the home is unlocked after it."""
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), _SECONDS_TO_END)
    except asyncio.TimeoutError:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
