"""`sugar-deploy image`: images for laptops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sugar_deploy.cli.image_build import build, models
from sugar_deploy.cli.image_bundle import bundle
from sugar_deploy.cli.image_flash import flash
from sugar_deploy.cli.image_inspect import diff, inspect
from sugar_deploy.cli.image_media import media
from sugar_deploy.cli.image_output import output
from sugar_deploy.cli.image_progress import blocks_shown
from sugar_deploy.cli.options import json_option, verbosity_options
from sugar_deploy.errors import DeployError, UsageError

if TYPE_CHECKING:
    from sugar_deploy.image.report import Report


@click.group()
def image() -> None:
    """Images for laptops: what the laptop's own firmware flashes.

    \b
    Example:
      sugar-deploy image build --model xo-1.5 -C lima
      sugar-deploy image pack disk.img 32010o1.zd
      sugar-deploy image verify 32010o1.zd
    """


image.add_command(build)
image.add_command(models)
image.add_command(bundle)
image.add_command(diff)
image.add_command(flash)
image.add_command(inspect)
image.add_command(media)
image.add_command(output)


@image.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--ext", is_flag=True, help="A folder's files go onto ext2, where names may be long, not onto FAT.")
@click.option(
    "--key",
    "public_keys",
    metavar="PUBLIC",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A public key that laptops trust: one called os.public for the key os's bundles, and so on; others for all.",
)
@json_option
@verbosity_options
def verify(
    files: tuple[Path, ...], ext: bool, public_keys: tuple[Path, ...], as_json: bool, verbose: int, quiet: bool
) -> int:
    """Tell whether the firmware takes a file, and each rule that it breaks.

    FILE is a .zd (with its .zsp, if that is beside it), a .zsp, a bundle (runosN.zip, bootfwN.zip, fsN.zip and so
    on), an XO-1's .img with its .crc or .onu with its .uim, the .img of a whole USB stick, SD card or disk, or the
    folder of a whole stick. Exit status 1 if the firmware would refuse something.

    \b
    Example:
      sugar-deploy image verify 32010o1.zd --json
      sugar-deploy image verify stick/ --key os.public --key fs.public --key fw.public
    """
    from sugar_deploy.image.bundles.signing import read_key
    from sugar_deploy.image.verification import verified

    keys = [read_key(file) for file in public_keys]
    reports: dict[Path, Report] = {}
    for file in files:
        reports |= verified(file, keys, is_fat=not ext)
    if as_json:
        found = {str(file): _as_dict(report) for file, report in reports.items()}
        click.echo(json.dumps({"ok": all(report.ok for report in reports.values()), "files": found}, indent=2))
    else:
        for file, report in reports.items():
            _show(file, report, verbose=verbose, quiet=quiet)
    return 0 if all(report.ok for report in reports.values()) else 1


def _as_dict(report: Report) -> dict[str, object]:
    return {"ok": report.ok, "errors": report.errors, "warnings": report.warnings, "facts": report.facts}


def _show(file: Path, report: Report, *, verbose: int, quiet: bool) -> None:
    if not quiet or not report.ok:
        click.echo(f"{file}: {'the firmware takes it' if report.ok else 'the firmware refuses it'}")
    if verbose:
        for name, value in report.facts.items():
            click.echo(f"  {name}: {value}")
    for text in report.errors:
        click.echo(f"  error: {text}", err=True)
    for text in report.warnings:
        click.echo(f"  warning: {text}", err=True)


@image.command()
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
    help="Processes that deflate; one for each core by default.",
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
    if target.suffix != ".zd":
        raise UsageError(f"{target}: does not end in .zd", f"Write {target.with_suffix('.zd').name}")
    try:
        from sugar_deploy.image.zd.writing import write
    except ModuleNotFoundError as error:
        raise DeployError(
            f"the Python package {error.name} is not installed", "pip install 'sugar-deploy[image]'"
        ) from error
    with blocks_shown(target.name, shown=not as_json and not quiet) as progress:
        written = write(disk, target, previous=previous or target, workers=workers or 0, progress=progress)
    if as_json:
        click.echo(json.dumps({name: getattr(written, name) for name in written.__slots__}, indent=2))
    elif not quiet:
        click.echo(
            f"{target}: {written.blocks} blocks, {written.reused} of them as before, {written.size / 2**20:.1f} MiB"
        )
        if verbose:
            click.echo(f"{target.with_suffix('.zsp')}: its description, to be signed")
