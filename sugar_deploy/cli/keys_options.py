"""What the commands on laptops' keys share: the set, its passphrase, the time."""

from __future__ import annotations

import stat
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder

if TYPE_CHECKING:
    from sugar_deploy.keys.laptop.keyset import KeySet

F = TypeVar("F", bound=Callable[..., Any])


def demo_option(function: F) -> F:
    """--demo: the keys for demonstrations; passed as `demo: bool`."""
    return click.option("--demo", is_flag=True, help="The keys for demonstrations, which protect nothing.")(function)


def passphrase_option(function: F) -> F:
    """--passphrase-file FILE; passed as `passphrase_file: Path | None`."""
    return click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Read the passphrase from this file instead of asking for it.",
    )(function)


def years_option(function: F) -> F:
    """--years N; passed as `years: int`."""
    return click.option(
        "--years", type=click.IntRange(1, 60), default=10, show_default=True, help="Sign with it for so long."
    )(function)


def key_set(folder: Folder, *, demo: bool) -> KeySet:
    """The deployment's keys."""
    from sugar_deploy.deployment.load import load
    from sugar_deploy.keys.laptop.keyset import KeySet

    return KeySet(folder, load(folder).name, demo=demo)


def passphrase(file: Path | None, *, new: bool = False) -> str:
    """The passphrase from a file that nobody else can read, or as it is typed; twice where it is NEW."""
    if file is None:
        if not sys.stdin.isatty():
            raise UsageError("nobody is there to type the passphrase", "Name a file: --passphrase-file")
        typed: str = click.prompt("Passphrase of the keys", hide_input=True, confirmation_prompt=new, err=True)
        return typed
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise UsageError(f"others can read the passphrase in {file}", f"Run: chmod 600 {file}")
    try:
        text = file.read_text("utf-8").removesuffix("\n")
    except UnicodeDecodeError:
        text = ""
    if not text or "\n" in text:
        raise UsageError(f"{file} does not hold a passphrase as its only line", "Write it there, or leave the option")
    return text


def now() -> int:
    """The present in Unix seconds."""
    return int(time.time())
