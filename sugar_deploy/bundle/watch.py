"""Who is told how far the writing has come."""

from __future__ import annotations

from typing import Protocol


class Watch(Protocol):
    """Sees each step begin, with the bytes that it will move, and every few of them."""

    def begin(self, step: str, total: int) -> None:
        """A step begins."""

    def advance(self, amount: int) -> None:
        """So many bytes more are done."""


class Unwatched:
    """Nobody looks."""

    def begin(self, step: str, total: int) -> None:
        """Nothing."""

    def advance(self, amount: int) -> None:
        """Nothing."""
