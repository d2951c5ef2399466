"""What several `repo` commands show in the same way."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from sugar_deploy.folder import Folder

if TYPE_CHECKING:
    from sugar_deploy.repository.configured import Configured
    from sugar_deploy.repository.publish import Publication


def print_json(content: object) -> None:
    """For scripts."""
    click.echo(json.dumps(content, indent=2))


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows of equal length as lines with aligned columns."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def counted(number: int, word: str) -> str:
    """1 package, 2 packages."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def configuration_shown(made: Configured | None) -> dict[str, object]:
    """The configuration packages, for --json; null where there is no deployment file."""
    if made is None:
        return {"configuration": None, "yum": None}
    rows = [(*path.stem.split("_")[:2], path) for path in made.debs]
    return {
        "configuration": [{"name": name, "version": version, "deb": str(path)} for name, version, path in rows],
        "yum": {"version": made.yum.name, "rpms": [str(rpm) for rpm in made.rpms]} if made.yum else None,
    }


def print_configuration(made: Configured | None, folder: Folder, *, verbose: int) -> None:
    """The configuration packages, for people."""
    if made is None:
        click.echo(f"There is no {folder.file}, and so no configuration packages: these are sugar-deploy's own")
        return
    for deb in made.debs:
        click.echo(" ".join(deb.stem.split("_")[:2]))
        if verbose:
            click.echo(f"  {deb}")
    for rpm in made.rpms:
        click.echo(rpm.name)
        if verbose:
            click.echo(f"  {rpm}")


def goes_back(serial: int, newest: int) -> str:
    """What has to be said at schools that have a later number; an empty text if none can have one."""
    if serial >= newest:
        return ""
    return (
        f"Schools may have a later number (up to {newest}): there, a stick with number {serial} is refused, unless "
        "they say --allow-older"
    )


def print_publication(done: Publication, folder: Folder) -> None:
    """What is published now, and the next command."""
    from sugar_deploy.repository.snapshots import History

    record = done.record
    state = "published" if done.changed else "unchanged"
    pinned = ", pinned by a rollback" if done.pinned else ""
    packages = counted(len(record.items), "package")
    click.echo(f"Snapshot {record.id} (number {record.serial}) {state}{pinned}: {packages} in {folder.published}")
    signers = " and ".join(key.fingerprint for key in done.keys)
    click.echo(f"Signed by {signers}, public key in {folder.repository_key}")
    if back := goes_back(record.serial, History(folder).newest()):
        click.echo(back)
    click.echo(f"Next: sugar-deploy apply -C {folder.root}")
