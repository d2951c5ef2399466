"""`sugar-deploy image bundle`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sugar_deploy.cli.keys_options import Asked, signing_options
from sugar_deploy.cli.options import json_option
from sugar_deploy.errors import UsageError


@click.command()
@click.argument("data", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("target", metavar="NAME.zip", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--signature",
    metavar="FILE.sig",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Take the signatures that another machine made, from `keys import signatures`.",
)
@click.option("--unsigned", is_flag=True, help="Without signatures, for unlocked laptops.")
@json_option
@signing_options
def bundle(data: Path, target: Path, signature: Path | None, unsigned: bool, as_json: bool, asked: Asked) -> None:
    """Make the zip that the firmware looks for, signed by the deployment's key for its kind.

    NAME is runos, runrd, actos, actrd (a kernel or ramdisk), bootfw (firmware) or fs (a .zsp, its .zd lies beside
    NAME.zip) with the model's number: 0 XO-1, 1 XO-1.5, 2 XO-1.75, 4 XO-4. What the firmware would refuse is
    not written.

    \b
    Example:
      sugar-deploy image bundle 32010o1.zsp stick/fs1.zip -C lima
      sugar-deploy image bundle vmlinuz stick/boot/runos1.zip --unsigned
    """
    from sugar_deploy.image.bundles.signing import Key
    from sugar_deploy.image.bundles.writing import meant_by, write_bundle
    from sugar_deploy.keys.laptop.offline import item, signed

    if signature is not None and unsigned:
        raise UsageError("a bundle has signatures or not", "Leave --signature or --unsigned")
    kind, model = meant_by(target)
    if unsigned:
        write_bundle(target, data.read_bytes(), None)
    else:
        own = asked.keys
        if signature is not None:
            data_sig = signature.read_bytes()
        else:
            data_sig = signed(item(data, kind.key), asked.signer(kind.key)).encode()
        write_bundle(target, data.read_bytes(), data_sig, [Key(kind.key, own.public(own.entry(kind.key)))])
    if as_json:
        told = {"file": str(target), "model": model.name, "contains": kind.content.value, "signed": not unsigned}
        click.echo(json.dumps(told, indent=2))
        return
    asked.tell(target if unsigned else f"{target}{asked.mark}")
