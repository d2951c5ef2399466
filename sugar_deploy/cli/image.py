"""`sugar-deploy image`: images for laptops."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sugar_deploy.cli.options import json_option, verbosity_options
from sugar_deploy.errors import DeployError, UsageError

if TYPE_CHECKING:
    from rich.progress import Progress

    from sugar_deploy.image.bundles.signing import Key
    from sugar_deploy.image.report import Report


@click.group()
def image() -> None:
    """Images for laptops: what the laptop's own firmware flashes.

    \b
    Example:
      sugar-deploy image pack disk.img 32010o1.zd
      sugar-deploy image verify 32010o1.zd
    """


@image.command()
@click.argument(
    "files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
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
def verify(files: tuple[Path, ...], public_keys: tuple[Path, ...], as_json: bool, verbose: int, quiet: bool) -> int:
    """Tell whether the firmware takes a file, and each rule that it breaks.

    FILE is a .zd (with its .zsp, if that is beside it), a .zsp, a bundle (runosN.zip, bootfwN.zip, fsN.zip and so
    on), or an XO-1's .img with its .crc. Exit status 1 if the firmware would refuse one of them.

    \b
    Example:
      sugar-deploy image verify 32010o1.zd --json
      sugar-deploy image verify fs1.zip --key fs.public
    """
    from sugar_deploy.image.bundles.signing import read_key

    keys = [read_key(file) for file in public_keys]
    reports = {file: _report(file, keys) for file in files}
    if as_json:
        found = {str(file): _as_dict(report) for file, report in reports.items()}
        click.echo(json.dumps({"ok": all(report.ok for report in reports.values()), "files": found}, indent=2))
    else:
        for file, report in reports.items():
            _show(file, report, verbose=verbose, quiet=quiet)
    return 0 if all(report.ok for report in reports.values()) else 1


def _report(file: Path, keys: list[Key]) -> Report:
    from sugar_deploy.image.bundles.checking import check_bundle
    from sugar_deploy.image.nand import checksums
    from sugar_deploy.image.report import Report
    from sugar_deploy.image.zd.checking import check_image, check_spec

    kind = file.suffix.lower()
    if kind == ".zd":
        report, spec = check_image(file), file.with_suffix(".zsp")
        if report.ok and spec.exists():
            report.errors += check_spec(spec, file).errors
        return report
    if kind == ".zsp":
        data = file.with_suffix(".zd")
        if not data.exists():
            raise UsageError(f"{file}: its data file {data.name} is not beside it", "Put both into one folder")
        return check_spec(file, data)
    if kind == ".img":
        return Report(errors=checksums.faults(file))
    if kind == ".zip":
        return check_bundle(file, keys)
    raise UsageError(f"{file}: is no kind of image that is known", "Give a .zd, .zsp, .img or a bundle's .zip")


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
    from sugar_deploy.image.zd.layout import BLOCK_SIZE

    if target.suffix != ".zd":
        raise UsageError(f"{target}: does not end in .zd", f"Write {target.with_suffix('.zd').name}")
    try:
        from sugar_deploy.image.zd.writing import write
    except ModuleNotFoundError as error:
        raise DeployError(
            f"the Python package {error.name} is not installed", "pip install 'sugar-deploy[image]'"
        ) from error
    with _progress(shown=not as_json and not quiet) as shown:
        task = shown.add_task(target.name, total=None)
        written = write(
            disk,
            target,
            previous=previous or target,
            workers=workers or 0,
            progress=lambda done, total: shown.update(task, completed=done * BLOCK_SIZE, total=total * BLOCK_SIZE),
        )
    if as_json:
        click.echo(json.dumps({name: getattr(written, name) for name in written.__slots__}, indent=2))
    elif not quiet:
        click.echo(
            f"{target}: {written.blocks} blocks, {written.reused} of them as before, {written.size / 2**20:.1f} MiB"
        )
        if verbose:
            click.echo(f"{target.with_suffix('.zsp')}: its description, to be signed")


def _progress(*, shown: bool) -> Progress:
    """Bytes done, their rate and the time left, on a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeRemainingColumn())
    return Progress(*columns, console=console, transient=True, disable=not shown or not console.is_terminal)
