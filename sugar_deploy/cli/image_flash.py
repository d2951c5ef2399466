"""`sugar-deploy image flash`: an image onto a stick, a card or a disk on USB."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sugar_deploy.cli.image_progress import steps_shown
from sugar_deploy.cli.options import json_option, verbosity_options
from sugar_deploy.cli.signals import ended_by_signals
from sugar_deploy.errors import UsageError

if TYPE_CHECKING:
    from sugar_deploy.image.flash.devices import Device


@click.command()
@click.argument("image", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("device", type=click.Path(path_type=Path))
@click.option(
    "--yes",
    "word",
    metavar="'MODEL SIZE'",
    help="Do not ask: the device is this one, with its model and size as they would have to be typed.",
)
@click.option("--largest", metavar="SIZE", help="The largest device that is overwritten; 64GiB by default.")
@json_option
@verbosity_options
def flash(
    image: Path, device: Path, word: str | None, largest: str | None, as_json: bool, verbose: int, quiet: bool
) -> None:
    """Write an image onto a stick, a card or a disk on USB, and prove that it is there.

    FILE is an image of a whole stick or disk, of `image media`, `lease stick` or `image output`; by its .bmap, if
    that is beside it. DEVICE is all of a device, as /dev/sdX. Everything that is on it is lost. What is mounted or
    in use, is not removable or is too large is not written to. What was written is read back from the medium.

    \b
    Example:
      sugar-deploy image flash stick.img /dev/sdX
      sugar-deploy image flash stick.img /dev/sdX --yes 'SanDisk Ultra 15.4 GB'
    """
    from sugar_deploy.bundle.filesystem import size_in_bytes
    from sugar_deploy.image.flash.copying import flash as written
    from sugar_deploy.image.flash.devices import look
    from sugar_deploy.image.flash.safety import LARGEST, require_safe
    from sugar_deploy.image.flash.source import read_source

    source, found = read_source(image), look(device)
    require_safe(found, source.size, size_in_bytes(largest) if largest else LARGEST)
    _require_word(found, word)
    with ended_by_signals(), steps_shown(shown=not as_json and not quiet) as progress:
        written(source, found, lambda: look(device), progress)
    told = {"device": found.path, "model": found.title, "serial": found.serial, "device_bytes": found.size}
    told |= {"image": str(image), "image_bytes": source.size, "written_bytes": source.to_write, "verified": True}
    if as_json:
        click.echo(json.dumps(told, indent=2))
    elif not quiet:
        amount = f"{source.to_write / 2**20:.1f} MiB"
        click.echo(f"{found.path} ({found.word}): {amount} of {image} written and read back")
        click.echo("It can be pulled out, and is ready for its laptop or PC.")


def _require_word(device: Device, word: str | None) -> None:
    """Raise UsageError unless somebody has said which device is to be overwritten."""
    if word is None:
        if not sys.stdin.isatty():
            remedy = f"If this is the one: --yes '{device.word}'"
            raise UsageError(f"all that is on {device.path} would be lost, and there is nobody to ask", remedy)
        click.echo(f"All that is on {device.path} will be lost. It is: {device.word}", err=True)
        for part in device.parts[1:]:
            click.echo(f"  {part.path}  {part.content or 'unknown'}", err=True)
        word = click.prompt("Type its model and size", err=True)
    if " ".join(word.split()) != device.word:
        remedy = f"Nothing was written. If it is the right one, its name is '{device.word}'"
        raise UsageError(f"{device.path} is not '{word}'", remedy)
