"""`sugar-deploy status`: what is known of each school."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sugar_deploy.cli.options import folder_option, json_option, limit_option, verbosity_options
from sugar_deploy.folder import Folder
from sugar_deploy.run.apply import Request, private_key, select
from sugar_deploy.run.prepare import resolved
from sugar_deploy.run.status import SchoolStatus, statuses


@click.command()
@folder_option
@limit_option
@click.option("--offline", is_flag=True, help="Tell only what this machine knows; contact no server.")
@click.option("--private-key", "key", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="SSH key.")
@json_option
@verbosity_options
def status(
    folder: Folder,
    limit: tuple[str, ...],
    offline: bool,
    key: Path | None,
    as_json: bool,
    verbose: int,
    quiet: bool,
) -> int:
    """Show the last run, versions and health, per school.

    \b
    Example:
      sugar-deploy status -C lima --offline
    """
    hosts = select(resolved(folder), limit)
    found = statuses(folder, hosts, private_key(Request(folder, private_key=key)), offline=offline)
    if as_json:
        click.echo(json.dumps({"schools": [one.as_dict() for one in found]}, indent=2))
    elif shown := [one for one in found if _ails(one)] if quiet else found:
        _show(shown, verbose=verbose > 0)
    return 1 if any(map(_ails, found)) else 0


def _ails(one: SchoolStatus) -> bool:
    return one.reachable is False or one.health == "unhealthy"


def _show(found: list[SchoolStatus], *, verbose: bool = False) -> None:
    """A line a school, however long: in a log nothing may be cut off."""
    rows = [("school", "last run", "result", "snapshot", "server", "health", "packages")]
    for one in found:
        reached = {None: "not asked", True: "reachable", False: "unreachable"}[one.reachable]
        versions = " ".join(one.packages)
        rows.append((one.school, one.last_run, one.last_status, one.snapshot, reached, one.health, versions))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    for one in found:
        if verbose and one.phases:
            click.echo(f"{one.school}: applied: {', '.join(one.phases)}")
        if one.error:
            click.echo(f"{one.school}: {one.error}")
