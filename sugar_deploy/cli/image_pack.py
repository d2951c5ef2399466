"""`sugar-deploy image pack`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sugar_deploy.cli.image_progress import blocks_shown
from sugar_deploy.cli.options import json_option, verbosity_options
from sugar_deploy.errors import DeployError, UsageError

_SEEN = 8
"""Characters of a name that firmware sees on FAT, before its ending."""


@click.command()
@click.argument("disk", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("target", metavar="NAME.zd", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--previous",
    metavar="FILE.zd",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Take the blocks that did not change from this earlier .zd; by default NAME.zd itself.",
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(1, 256),
    help="Threads that deflate; one for each core by default.",
)
@json_option
@verbosity_options
def pack(
    disk: Path, target: Path, previous: Path | None, workers: int | None, as_json: bool, verbose: int, quiet: bool
) -> None:
    """Write a disk image as NAME.zd and NAME.zsp, for XO-1.5, XO-1.75 and XO-4.

    \b
    Example:
      sugar-deploy image pack disk.img 32010o1.zd
    """
    _require_place(target)
    try:
        from sugar_deploy.image.zd.writing import write
    except ModuleNotFoundError as error:
        raise DeployError(
            f"the Python package {error.name} is not installed", "pip install 'sugar-deploy[image]'"
        ) from error
    with blocks_shown(target.name, shown=not as_json and not quiet) as progress:
        written = write(disk, target, previous=previous or target, workers=workers or 0, progress=progress)
    if len(target.stem) > _SEEN or "." in target.stem:
        told = f"{target.name}: on FAT the firmware does not see it, for it sees {_SEEN} characters before .zd"
        click.echo(f"warning: {told}", err=True)
    if as_json:
        click.echo(json.dumps({name: getattr(written, name) for name in written.__slots__}, indent=2))
    elif not quiet:
        click.echo(
            f"{target}: {written.blocks} blocks, {written.reused} of them as before, {written.size / 2**20:.1f} MiB"
        )
        if verbose:
            click.echo(f"{target.with_suffix('.zsp')}: its description, to be signed")


def _require_place(target: Path) -> None:
    """Raise UsageError unless a `.zd` can be written there."""
    if target.suffix != ".zd":
        raise UsageError(f"{target}: does not end in .zd", f"Write {target.with_suffix('.zd').name}")
    if not target.parent.is_dir():
        raise UsageError(f"{target.parent}: there is no such folder", "Make it, or write into another one")
