"""`sugar-deploy lease stick` and `deliver`: what laptops read their leases from, and what servers are brought."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sugar_deploy.cli.keys_options import Asked, signing_options
from sugar_deploy.cli.options import verbosity_options
from sugar_deploy.errors import UsageError

if TYPE_CHECKING:
    from sugar_deploy.keys.lease.stick import Stick

file_argument = click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
LABEL = "LEASES"


@click.command()
@file_argument
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option("--split", is_flag=True, help="Into the folder OUT a folder for each stick, where one cannot hold all.")
@verbosity_options
def stick(file: Path, out: Path, split: bool, verbose: int, quiet: bool) -> None:
    """Put leases, developer keys or clock resets onto a stick, where the firmware and the initramfs look for them.

    \b
    OUT is the root of a mounted stick with FAT; or NAME.img, for the image of a whole stick, which
    `sugar-deploy image flash NAME.img /dev/sdX` writes.

    \b
    The firmware reads one delegated lease from a file, and no second one. A stick with several is for
    laptops that start their activation system; with --split each lease gets a stick of its own.

    \b
    Example:
      sugar-deploy lease stick leases.sig /media/stick
      sugar-deploy lease stick leases.sig stick.img
      sugar-deploy lease stick leases.sig sticks/ --split
    """
    from sugar_deploy.keys.lease.issue import read_records
    from sugar_deploy.keys.lease.stick import stick_of, sticks_of

    records = read_records(file)
    if split:
        for each in sticks_of(records):
            (out / each.name).mkdir(parents=True, exist_ok=True)
            _write(each, out / each.name, quiet=quiet)
        return
    whole = stick_of(records)
    if whole.warning:
        click.echo(f"Warning: {whole.warning}", err=True)
    _write(whole, out, quiet=quiet)


@click.command()
@click.argument("school")
@click.argument("out", type=click.Path(path_type=Path, file_okay=False, exists=True))
@signing_options
def deliver(school: str, out: Path, asked: Asked) -> None:
    """Put what `apply` brings a school's server onto a stick: delegation, leases, the list of stolen laptops.

    \b
    OUT is the stick's root. The server takes it with `sugar-server import-activation-stick`.

    \b
    Example:
      sugar-deploy lease deliver san-martin /media/stick -C lima
    """
    from sugar_deploy.deployment.load import load
    from sugar_deploy.keys.lease.delivery import deliverable, write_delivery

    schools = load(asked.folder).schools
    if school not in schools:
        raise UsageError(
            f"there is no school {school} in {asked.folder.file}", f"It has {', '.join(sorted(schools))}"
        )
    files = deliverable(asked.folder, school)
    asked.tell(*write_delivery(files, school, asked.signer("lease"), out))


def _write(stick: Stick, out: Path, *, quiet: bool) -> None:
    from sugar_deploy.image.media.image import imaged
    from sugar_deploy.keys.lease.stick import write_stick

    if out.is_dir():
        written = write_stick(stick, out)
    elif out.suffix == ".img":
        with imaged(out, label=LABEL) as root:
            write_stick(stick, root)
        written = (out, out.with_name(f"{out.name}.bmap"))
    else:
        raise UsageError(f"{out} is no folder, and no name of an image", "Mount a stick, or name a file NAME.img")
    if not quiet:
        for path in written:
            click.echo(str(path))
