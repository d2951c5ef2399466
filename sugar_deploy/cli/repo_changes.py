"""`sugar-deploy repo diff` and `repo sbom`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sugar_deploy.cli.options import folder_option, json_option, verbosity_options
from sugar_deploy.cli.repo_shown import counted, print_json
from sugar_deploy.folder import Folder

if TYPE_CHECKING:
    from sugar_deploy.repository.diff import Change, Difference

_SHOWN_LINES = 12


@click.command()
@click.argument("before", metavar="A")
@click.argument("after", metavar="[B]", default="")
@folder_option
@click.option(
    "--tracker",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Data of Debian's security tracker, saved as a file.",
)
@json_option
@verbosity_options
def diff(before: str, after: str, folder: Folder, tracker: Path | None, as_json: bool, **verbosity: Any) -> None:
    """Show what changed from snapshot A to B, by default the published one.

    \b
    Upgrades come with what the packages' own changelogs say about them (-v: all of it). Those that
    fix vulnerabilities are marked, by what the changelogs name and, with --tracker, by the data of
    https://security-tracker.debian.org/tracker/data/json, which you download beforehand.

    \b
    Example:
      sugar-deploy repo diff 3f2a -C lima
      sugar-deploy repo diff 3f2a 91cc -C lima -v
      sugar-deploy repo diff 3f2a -C lima --tracker tracker.json --json
    """
    from sugar_deploy.repository.diff import diff as compare
    from sugar_deploy.repository.snapshots import History
    from sugar_deploy.repository.tracker import read_tracker

    history = History(folder)
    records = history.find(before), history.chosen(after)
    found = compare(history, *records, read_tracker(tracker) if tracker else None)
    if as_json:
        print_json(found.as_dict())
    else:
        _show(found, **verbosity)


def _show(found: Difference, *, verbose: int, quiet: bool) -> None:
    suite = ""
    for change in found.changes:
        if change.suite != suite:
            suite = change.suite
            click.echo(f"{suite}:")
        click.echo(f"  {_line(change)}")
        for line in () if quiet else _details(change, verbose):
            click.echo(f"      {line}")
    if quiet:
        return
    for name in found.unread:
        click.echo(f"The changelog of {name} cannot be shown: the package is no longer kept.")
    fixing = sum(bool(change.cves) for change in found.changes)
    more = f", {fixing} of them fixing vulnerabilities" if fixing else ""
    click.echo(
        f"From {found.before.id} (number {found.before.serial}) to {found.after.id} (number {found.after.serial}): "
        f"{counted(len(found.changes), 'change')}{more}"
    )


def _line(change: Change) -> str:
    versions = " → ".join(filter(None, (change.before, change.after))) if change.kind != "rebuilt" else change.after
    fixes = f"  fixes {' '.join(_named(*one) for one in change.cves.items())}" if change.cves else ""
    return f"{change.kind:10} {change.name} {versions} ({', '.join(change.architectures)}){fixes}"


def _named(cve: str, urgency: str) -> str:
    return f"{cve} ({urgency})" if urgency and urgency != "not yet assigned" else cve


def _details(change: Change, verbose: int) -> list[str]:
    lines = [line for entry in change.changelog for line in (f"{entry.version}:", *entry.text.splitlines()) if line]
    if verbose or len(lines) <= _SHOWN_LINES:
        return lines
    return [*lines[:_SHOWN_LINES], f"… {len(lines) - _SHOWN_LINES} more lines with -v"]


@click.command()
@click.argument("snapshot_id", metavar="[ID]", default="")
@folder_option
@click.option(
    "--output", "-o", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write it there."
)
@verbosity_options
def sbom(snapshot_id: str, folder: Folder, output: Path | None, verbose: int, quiet: bool) -> None:
    """Write a snapshot's bill of materials: CycloneDX, as JSON.

    \b
    Every package with its version, origin and hash. The same snapshot gives the same bytes.

    \b
    Example:
      sugar-deploy repo sbom -C lima                          of what is published
      sugar-deploy repo sbom 3f2a -C lima --output sbom.json
    """
    from sugar_deploy.errors import DeployError
    from sugar_deploy.files import write_atomically
    from sugar_deploy.repository.sbom import sbom as bill_of_materials
    from sugar_deploy.repository.snapshots import History

    record = History(folder).chosen(snapshot_id)
    text = bill_of_materials(record)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        write_atomically(output, text, 0o644)
    except OSError as error:
        raise DeployError(f"{output} cannot be written: {error.strerror}", "Choose another place") from None
    if not quiet:
        click.echo(f"{counted(len(record.items), 'package')} of snapshot {record.id}: {output}")
