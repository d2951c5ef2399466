"""`sugar-deploy repo snapshots`, `snapshot` and `rollback`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sugar_deploy.cli.narrate import narrator
from sugar_deploy.cli.options import folder_option, json_option, verbosity_options
from sugar_deploy.cli.repo_shown import counted, print_json, print_publication, table
from sugar_deploy.folder import Folder

if TYPE_CHECKING:
    from sugar_deploy.repository.record import Record
    from sugar_deploy.repository.snapshots import History


@click.command()
@folder_option
@json_option
@verbosity_options
def snapshots(folder: Folder, as_json: bool, verbose: int, quiet: bool) -> None:
    """List the snapshots, the latest first.

    \b
    Every state of the repository that was ever published is a snapshot. Those whose packages
    are still kept can be published again; `repository.keep` in deployment.yml says how many.

    \b
    Example:
      sugar-deploy repo snapshots -C lima
    """
    from sugar_deploy.repository.snapshots import History

    history = History(folder)
    published = history.published()
    current = published.id if published else ""
    rows = [_summary(record, history, current) for record in reversed(history.records())]
    if as_json:
        print_json({"snapshots": rows})
        return
    shown = []
    for row in rows:
        marks = [word for word in ("published", "pinned") if row[word]]
        marks += [] if row["kept"] else ["packages dropped"]
        cells = [str(row["serial"]), str(row["id"]), str(row["published_at"]), f"{row['packages']} packages"]
        shown.append((*cells, ", ".join(marks)))
    for line in table(shown):
        click.echo(line)
    if not rows and not quiet:
        click.echo(f"None yet. Next: sugar-deploy repo publish -C {folder.root}")


def _summary(record: Record, history: History, current: str) -> dict[str, object]:
    return {
        "id": record.id,
        "serial": record.serial,
        "published_at": record.published_at,
        "suites": sorted(record.suites),
        "packages": len(record.items),
        "size": sum(item.size for item in record.items),
        "fingerprints": list(record.fingerprints),
        "published": record.id == current,
        "pinned": record.id == history.pinned(),
        "kept": history.tree(record) is not None,
    }


@click.command()
@click.argument("snapshot_id", metavar="[ID]", default="")
@folder_option
@json_option
@verbosity_options
def snapshot(snapshot_id: str, folder: Folder, as_json: bool, verbose: int, quiet: bool) -> None:
    """Show what a snapshot holds; by default the published one.

    \b
    Example:
      sugar-deploy repo snapshot -C lima
      sugar-deploy repo snapshot 3f2a -C lima     a beginning of the id is enough
    """
    from sugar_deploy.repository.snapshots import History

    history = History(folder)
    record = history.chosen(snapshot_id)
    published = history.published()
    about = _summary(record, history, published.id if published else "")
    if as_json:
        about["suites"] = {
            suite: [item.as_dict() for item in items] for suite, items in sorted(record.suites.items())
        }
        print_json(about | {"deployment": record.deployment, "tool": record.tool})
        return
    where: dict[tuple[str, ...], list[str]] = {}
    for suite, items in sorted(record.suites.items()):
        for item in items:
            hashed = (item.sha256,) if verbose else ()
            where.setdefault((item.name, item.version, item.architecture, item.origin, *hashed), []).append(suite)
    for line in table([(*cells, " ".join(suites)) for cells, suites in sorted(where.items())]):
        click.echo(line)
    if not quiet:
        size = sum(item.size for item in record.items) / 2**20
        click.echo(
            f"Snapshot {record.id} (number {record.serial}), first published {record.published_at}: "
            f"{counted(len(record.items), 'package')}, {size:,.1f} MiB"
        )


@click.command()
@click.argument("snapshot_id", metavar="ID")
@folder_option
@json_option
@verbosity_options
def rollback(snapshot_id: str, folder: Folder, as_json: bool, verbose: int, quiet: bool) -> None:
    """Publish a former snapshot again.

    \b
    It stays published, whatever changes in the deployment, until `repo publish --latest`.
    Servers take its packages at the next `apply`; schools that take a stick with it say
    --allow-older, because its number is lower than the one that they have.

    \b
    Example:
      sugar-deploy repo snapshots -C lima
      sugar-deploy repo rollback 3f2a9c51d07e -C lima
      sugar-deploy apply -C lima
    """
    from sugar_deploy.deployment.load import load
    from sugar_deploy.repository.publish import rollback as return_to
    from sugar_deploy.repository.snapshots import History

    done = return_to(folder, load(folder).name, snapshot_id, narrator(quiet=quiet, as_json=as_json))
    if as_json:
        places = {"tree": str(folder.published), "key": str(folder.repository_key)}
        print_json(done.as_dict() | places | {"newest_serial": History(folder).newest()})
    elif not quiet:
        print_publication(done, folder)
        click.echo(f"To leave it again: sugar-deploy repo publish --latest -C {folder.root}")
