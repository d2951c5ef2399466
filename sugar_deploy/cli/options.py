"""Options that commands share, so that the same word means the same everywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from sugar_deploy.folder import Folder

F = TypeVar("F", bound=Callable[..., Any])


def _folder(_context: click.Context, _parameter: click.Parameter, value: Path) -> Folder:
    return Folder(value)


def folder_option(function: F) -> F:
    """-C DIR: the deployment's folder, the current one by default; passed as `folder: Folder`."""
    return click.option(
        "-C",
        "--directory",
        "folder",
        metavar="DIR",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(),
        callback=_folder,
        help="The deployment's folder; the current one by default.",
    )(function)


def json_option(function: F) -> F:
    """--json: machine-readable output; passed as `as_json: bool`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON, for scripts.")(function)


def limit_option(function: F) -> F:
    """--limit SCHOOL (repeatable, or a comma-separated list); passed as `limit: tuple[str, ...]`."""
    return click.option(
        "--limit",
        metavar="SCHOOL",
        multiple=True,
        help="Only this school (repeatable; commas separate names).",
    )(function)


def verbosity_options(function: F) -> F:
    """-v/-q; passed as `verbose: int` and `quiet: bool`."""
    function = click.option("-v", "--verbose", count=True, help="Say more.")(function)
    return click.option("-q", "--quiet", is_flag=True, help="Say only what failed.")(function)


def verbosity_words(verbose: int, quiet: bool) -> tuple[str, ...]:
    """The same, for a command that goes on as another one."""
    return ("-v",) * verbose + ("-q",) * quiet
