"""`sugar-deploy image media`: sticks and cards for laptops."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sugar_deploy.cli.options import json_option, verbosity_options

_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.argument("images", metavar="[IMAGE]...", nargs=-1, type=_FOLDER)
@click.option(
    "-o",
    "--output",
    "out",
    required=True,
    type=click.Path(path_type=Path),
    help="A folder, or NAME.img: a whole stick.",
)
@click.option("--lease", "leases", metavar="FILE", type=_FILE, help="Leases: activates locked laptops.")
@click.option(
    "--developer-key", "developer_keys", metavar="FILE", type=_FILE, help="Developer keys: unlocks laptops."
)
@click.option("--bundle", "bundles", metavar="FILE", multiple=True, type=_FILE, help="A bundle, such as bootfwN.zip.")
@click.option(
    "--keyjector",
    "keyjectors",
    metavar="FOLDER",
    multiple=True,
    type=_FOLDER,
    help="A folder of `keys export keyjector`: puts keys into locked laptops.",
)
@click.option(
    "--library",
    metavar="PATH",
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    help="Activities and content (.xo, .xol, .info) or a folder of them, for a school server's library.",
)
@click.option(
    "--delivery",
    metavar="FOLDER",
    type=_FOLDER,
    help="A folder of `lease deliver`, for a school's server.",
)
@click.option(
    "--key",
    "public_keys",
    metavar="PUBLIC",
    multiple=True,
    type=_FILE,
    help="A public key that the laptops trust, of `keys export public`: signatures are held against it.",
)
@click.option("--ext", is_flag=True, help="Of ext2, where names may be long, not FAT.")
@json_option
@verbosity_options
def media(
    images: tuple[Path, ...],
    out: Path,
    leases: Path | None,
    developer_keys: Path | None,
    bundles: tuple[Path, ...],
    keyjectors: tuple[Path, ...],
    library: tuple[Path, ...],
    delivery: Path | None,
    public_keys: tuple[Path, ...],
    ext: bool,
    as_json: bool,
    verbose: int,
    quiet: bool,
) -> None:
    """Lay out a USB stick or SD card for one or many models at once, or for a school's server.

    IMAGE is a folder that `image build` or `image output` made; its files are flashed. OUT is a folder, whose content
    is copied onto the stick, or a file NAME.img, with NAME.img.bmap beside it, for `image flash`. What the firmware
    would refuse is not written.

    \b
    Example:
      sugar-deploy image media images/xo-1.5 images/xo-4 -o stick.img --key os.public --key fs.public
      sugar-deploy image media --lease lease.sig -o stick
      sugar-deploy image media --library activities/ --delivery san-martin/ -o card.img
    """
    from sugar_deploy.image.build import OUTPUT, part_of
    from sugar_deploy.image.bundles.signing import read_key
    from sugar_deploy.image.media.layout import Wanted, places
    from sugar_deploy.image.media.write import write_folder, write_image

    made = tuple(part_of(folder, OUTPUT) for folder in images)
    found = places(Wanted(made, leases, developer_keys, bundles, keyjectors, library, delivery))
    write = write_image if out.suffix == ".img" else write_folder
    warnings = write(found, out, [read_key(file) for file in public_keys], is_fat=not ext)
    for warning in warnings:
        click.echo(f"warning: {warning}", err=True)
    if as_json:
        files = [{"place": place, "bytes": file.stat().st_size} for place, file in sorted(found.items())]
        click.echo(json.dumps({"output": str(out), "files": files, "warnings": warnings}, indent=2))
    elif not quiet:
        for place, file in sorted(found.items()):
            click.echo(f"{place}  {file.stat().st_size / 2**20:.1f} MiB")
        click.echo(f"{out}: {len(found)} files")
