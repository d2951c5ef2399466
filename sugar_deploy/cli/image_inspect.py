"""`sugar-deploy image inspect` and `image diff`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from sugar_deploy.cli.options import json_option, verbosity_options

_TITLES = {"dates": "dates alone", "outputs": "what is flashed"}
_SHORT = ("recipe", "packages")
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.argument("path", metavar="IMAGE", type=click.Path(path_type=Path, exists=True))
@json_option
@verbosity_options
def inspect(path: Path, as_json: bool, verbose: int, quiet: bool) -> int:
    """Tell what an image is made of.

    IMAGE is a folder that `image build` or `image output` made, whose files are held against its manifest, or one
    file of it. Exit status 1 if something is not as it should be.

    \b
    Example:
      sugar-deploy image inspect images/xo-1.5
      sugar-deploy image inspect images/xo-1.5/sugar12.zd --json
    """
    from sugar_deploy.image.build import OUTPUT, part_of
    from sugar_deploy.image.inspection import inspected

    told = inspected(part_of(path, OUTPUT))
    if as_json:
        click.echo(json.dumps(told, indent=2, ensure_ascii=False))
    elif not quiet:
        for name, value in told.items():
            _show(name, value)
    for fault in told["faults"]:
        click.echo(f"error: {fault}", err=True)
    return 1 if told["faults"] else 0


def _show(name: str, value: Any) -> None:
    """One thing that is told; lists and tables a line each."""
    if name == "faults" or value in (None, [], {}):
        return
    if isinstance(value, list):
        click.echo(f"{name}:")
        for one in value:
            click.echo(f"  {_line(one)}")
    else:
        click.echo(f"{name}: {_line(value)}")


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {one}" for name, one in value.items() if one not in (None, [], ""))
    return str(value)


@click.command()
@click.argument("before", type=_FOLDER)
@click.argument("after", type=_FOLDER)
@json_option
@verbosity_options
def diff(before: Path, after: Path, as_json: bool, verbose: int, quiet: bool) -> int:
    """Tell what differs between two images: recipe, packages, files, and what was made of them.

    Both are folders that `image build` or `image output` made. The first stage of the recipe whose id differs had
    other inputs. With -v, each file's mode, owner, size, hash and date. Exit status 1 if anything differs.

    \b
    Example:
      sugar-deploy image diff images/last-year images/xo-1.5
    """
    from dataclasses import asdict

    from sugar_deploy.image.build import OUTPUT, SYSTEM, part_of
    from sugar_deploy.image.diff import difference

    found = difference(*(part_of(folder, OUTPUT, SYSTEM) for folder in (before, after)))
    if as_json:
        click.echo(json.dumps(asdict(found), indent=2, ensure_ascii=False))
    elif not quiet:
        for title, changes in asdict(found).items():
            click.echo(f"{_TITLES.get(title, title)}: {len(changes) or 'no'} differences")
            # Thousands of dates change together.
            for change in changes if verbose or title != "dates" else ():
                sign = "+" if not change["before"] else "-" if not change["after"] else "~"
                both = f"  {change['before'] or 'none'} → {change['after'] or 'none'}"
                click.echo(f"  {sign} {change['name']}{both if verbose or title in _SHORT else ''}")
    return 1 if found.any else 0
