"""Children of one test, in one event loop."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self

from .child import Child
from .server import Server


class Classroom:
    """Children who come in, and who have all left at the end."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.children: list[Child] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in self.children:
            await child.disconnect(wait=1)

    async def logged_in(self, **how: Any) -> Child:
        self.children.append(Child(self.server, **how))
        return await self.children[-1].log_in()

    async def online(self, **how: Any) -> Child:
        return await (await self.logged_in(**how)).come_online()


def in_classroom(test: Callable[[Classroom], Awaitable[None]]) -> Callable[[Server], None]:
    """Runs a test with an empty classroom of the server, which is empty again afterwards."""

    async def lesson(server: Server) -> None:
        async with Classroom(server) as classroom:
            await asyncio.wait_for(test(classroom), 30)

    def run(server: Server) -> None:
        asyncio.run(lesson(server))

    functools.update_wrapper(run, test)
    del run.__wrapped__  # type: ignore[attr-defined]  # pytest would look for the classroom
    return run
