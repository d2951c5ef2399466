"""`sugar-deploy keys export keyjector`."""

from __future__ import annotations

from pathlib import Path

import click

from sugar_deploy.cli.keys_options import Asked, signing_options

_rom = click.Path(path_type=Path, exists=True, dir_okay=False)


@click.command("keyjector")
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--model", required=True, help="The laptops' model: xo-1, xo-1.5, xo-1.75 or xo-4.")
@click.option("--keyjector", "keyjector", required=True, type=_rom, help="The ROM image with the keys inside.")
@click.option("--firmware", required=True, type=_rom, help="The ROM image that comes after it: a newer version.")
@click.option(
    "--signatures",
    nargs=2,
    type=_rom,
    metavar="KEYJECTOR.sig FIRMWARE.sig",
    help="Take the signatures that OLPC or another machine made.",
)
@click.option(
    "--trusted", type=_rom, metavar="PUBLIC", help="The firmware key that the laptops know; the deployment's own."
)
@signing_options
def keyjector_(
    out: Path,
    model: str,
    keyjector: Path,
    firmware: Path,
    signatures: tuple[Path, Path] | None,
    trusted: Path | None,
    asked: Asked,
) -> None:
    """Write the root of a stick that puts the keys into locked laptops.

    \b
    They install the keyjector, boot/bootfwN.zip, which puts the keys in and installs boot/fwN.zip in its
    own place. Only who holds a firmware key that they know already can sign these. Keyjectors are built
    from the firmware's source, with the keys of `keys export public` inside.

    \b
    Example:
      sugar-deploy keys export keyjector /media/stick --model xo-1.5 --keyjector q3c16k.rom
          --firmware q3c17.rom -C lima
      sugar-deploy keys export keyjector /media/stick --model xo-1.5 --keyjector q3c16k.rom
          --firmware q3c17.rom --signatures q3c16k.rom.sig q3c17.rom.sig --trusted olpc-fw.public -C lima
    """
    from sugar_deploy.image.bundles.signing import read_key
    from sugar_deploy.image.keyjector import missing_in, model_called, require_order, write_media
    from sugar_deploy.keys.laptop.offline import item, signed
    from sugar_deploy.keys.laptop.purposes import PURPOSES

    own, found = asked.keys, model_called(model)
    images = (keyjector.read_bytes(), firmware.read_bytes())
    require_order(*images, found)
    if signatures is not None:
        data_sigs = (signatures[0].read_bytes(), signatures[1].read_bytes())
    else:
        key = asked.signer("fw")
        data_sigs = (signed(item(keyjector, "fw"), key).encode(), signed(item(firmware, "fw"), key).encode())
    known = read_key(trusted).public if trusted else own.public(own.entry("fw"))
    entries = [entry for entry in own.entries() if entry.name in PURPOSES and not entry.former]
    if missing := missing_in(images[0], [own.public(entry) for entry in entries]):
        names = ", ".join(entry.name for entry in entries if own.public(entry) in missing)
        click.echo(f"Warning: {keyjector} does not hold these keys in the clear: {names}", err=True)
    asked.tell(*write_media(out, found, images, data_sigs, known))
