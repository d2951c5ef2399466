"""What a command says while it works."""

from __future__ import annotations

import time
from collections.abc import Callable

import click


def narrator(*, quiet: bool, as_json: bool) -> Callable[[str], None]:
    """Progress lines with the time since the start; on standard error where standard output holds JSON."""
    started = time.monotonic()

    def say(text: str) -> None:
        if not quiet:
            seconds = int(time.monotonic() - started)
            click.echo(f"[{seconds // 60:02d}:{seconds % 60:02d}] {text}", err=as_json)

    return say
