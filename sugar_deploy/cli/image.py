"""`sugar-deploy image`: images for laptops."""

from __future__ import annotations

import click

from sugar_deploy.cli.image_build import build, models
from sugar_deploy.cli.image_bundle import bundle
from sugar_deploy.cli.image_flash import flash
from sugar_deploy.cli.image_inspect import diff, inspect
from sugar_deploy.cli.image_media import media
from sugar_deploy.cli.image_output import output
from sugar_deploy.cli.image_pack import pack
from sugar_deploy.cli.image_verify import verify


@click.group()
def image() -> None:
    """Images for laptops: what the laptop's own firmware flashes.

    \b
    Example:
      sugar-deploy image build --model xo-1.5 -C lima
      sugar-deploy image pack disk.img 32010o1.zd
      sugar-deploy image verify 32010o1.zd
    """


for command in (build, models, bundle, diff, flash, inspect, media, output, pack, verify):
    image.add_command(command)
