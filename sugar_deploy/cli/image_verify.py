"""`sugar-deploy image verify`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sugar_deploy.cli.options import json_option, verbosity_options

if TYPE_CHECKING:
    from sugar_deploy.image.report import Report


@click.command()
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
