"""`sugar-deploy image output`: from a composed image to what the model flashes or starts from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sugar_deploy.cli.image_progress import blocks_shown
from sugar_deploy.cli.keys_options import Asked, signing_options

if TYPE_CHECKING:
    from sugar_deploy.image.outputs.signing import Signer


@click.command()
@click.argument("composed", metavar="FOLDER", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("-o", "--output", "out", required=True, type=click.Path(path_type=Path), help="The folder to write.")
@click.option("--size", metavar="4gb", help="The size of the model's storage; the smallest one by default.")
@click.option("--name", help="What the files are called: 8 small letters and digits at most.")
@click.option("--filesystem", type=click.Choice(["ubifs", "jffs2"]), help="What an XO-1's NAND holds.")
@click.option("--unsigned", is_flag=True, help="For unlocked laptops, without the deployment's keys.")
@signing_options
def output(
    composed: Path,
    out: Path,
    size: str | None,
    name: str | None,
    filesystem: str | None,
    unsigned: bool,
    asked: Asked,
) -> None:
    """Make what a model flashes or starts from, out of the FOLDER that `image build` composed.

    XO-1.5, XO-1.75 and XO-4 get NAME.zd, NAME.zsp and fsN.zip, signed by the deployment's keys `os` and `fs`; a PC
    gets NAME.img, to be written onto a disk or a stick. XO-1 gets fs0.zip with NAME.onu and NAME.uim, UBIFS behind a
    boot partition, or with `--filesystem jffs2` with NAME.img and NAME.crc. manifest.json and sbom.json tell what is
    in it. The output folder is replaced as a whole, or left as it was.

    \b
    Example:
      sugar-deploy image output built/xo-1.5 -o images/xo-1.5 --size 4gb -C lima
      sugar-deploy image output built/generic-pc -o images/pc
    """
    from sugar_deploy.image.models import Flow, NandFilesystem, read_model
    from sugar_deploy.image.outputs.composed import model_name
    from sugar_deploy.image.outputs.make import make

    model = read_model(model_name(composed))
    signer = None if model.flow is Flow.DISK or unsigned else _signer(asked)
    kind = NandFilesystem(filesystem) if filesystem else None
    with blocks_shown(model.title, shown=not asked.quiet) as progress:
        made = make(composed, model, out, size=size, name=name, filesystem=kind, signer=signer, progress=progress)
    for file in sorted(made.iterdir()):
        asked.tell(f"{file}: {file.stat().st_size / 2**20:.1f} MiB{asked.mark if signer else ''}")


def _signer(asked: Asked) -> Signer:
    """The deployment's keys; the passphrase is asked for once."""
    from sugar_deploy.image.bundles.signing import Key
    from sugar_deploy.image.outputs.signing import Signer
    from sugar_deploy.keys.laptop.offline import item, signed

    own = asked.keys
    public = tuple(Key(purpose, own.public(own.entry(purpose))) for purpose in ("os", "fs"))
    words = asked.passphrase()
    private = {purpose: own.signer(purpose, words, asked.now) for purpose in ("os", "fs")}
    return Signer(lambda file, purpose: signed(item(file, purpose), private[purpose]).encode(), public)
