"""`sugar-deploy image output`: from a composed image to what the model flashes or starts from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sugar_deploy.cli.image_progress import blocks_shown
from sugar_deploy.cli.image_signing import output_options, signer
from sugar_deploy.cli.keys_options import Asked
from sugar_deploy.cli.options import json_option

if TYPE_CHECKING:
    from sugar_deploy.image.models import NandFilesystem


@click.command()
@click.argument("composed", metavar="FOLDER", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("-o", "--output", "out", required=True, type=click.Path(path_type=Path), help="The folder to write.")
@json_option
@output_options
def output(
    composed: Path,
    out: Path,
    as_json: bool,
    size: str | None,
    name: str | None,
    filesystem: NandFilesystem | None,
    unsigned: bool,
    asked: Asked,
) -> None:
    """Make what is flashed out of the FOLDER/system of `image build`: in another size, or signed anew.

    XO-1.5, XO-1.75 and XO-4 get NAME.zd, NAME.zsp and fsN.zip, signed by the deployment's keys `os` and `fs`; a PC
    gets NAME.img, to be written onto a disk or a stick. XO-1 gets fs0.zip with NAME.onu and NAME.uim, UBIFS behind a
    boot partition, or with `--filesystem jffs2` with NAME.img and NAME.crc. manifest.json and sbom.json tell what is
    in it. The output folder is replaced as a whole, or left as it was.

    \b
    Example:
      sugar-deploy image output lima/images/xo-1.5/system -o xo-1.5-4gb --size 4gb -C lima
      sugar-deploy image output lima/images/xo-1.5/system -o unlocked --unsigned
    """
    from sugar_deploy.image.build import SYSTEM, part_of
    from sugar_deploy.image.models import read_model
    from sugar_deploy.image.outputs.composed import model_name
    from sugar_deploy.image.outputs.make import make, planned

    composed = part_of(composed, SYSTEM)
    model = read_model(model_name(composed))
    planned(model, size, name, filesystem)
    signs = signer(asked, model, unsigned=unsigned)
    with blocks_shown(model.title, shown=not asked.quiet and not as_json) as progress:
        made = make(
            composed, model, out, size=size, name=name, filesystem=filesystem, signer=signs, progress=progress
        )
    files = sorted(made.iterdir())
    if as_json:
        sizes = [{"name": file.name, "bytes": file.stat().st_size} for file in files]
        click.echo(json.dumps({"folder": str(made), "signed": signs is not None, "files": sizes}, indent=2))
        return
    for file in files:
        asked.tell(f"{file}: {file.stat().st_size / 2**20:.1f} MiB{asked.mark if signs else ''}")
