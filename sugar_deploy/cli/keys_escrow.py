"""`sugar-deploy keys escrow`."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import click

from sugar_deploy.cli.keys_options import Asked, signing_options
from sugar_deploy.errors import DeployError, UsageError


@click.group()
def escrow() -> None:
    """Share the keys among custodians, so that no loss and no single person decides over them.

    \b
    Example:
      sugar-deploy keys escrow split OUT -C lima --shares 5 --needed 3
      sugar-deploy keys escrow restore keys.box one/share.txt four/share.txt five/share.txt -C lima
    """


@escrow.command()
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@click.option("--shares", type=int, required=True, help="How many custodians there are.")
@click.option("--needed", type=int, required=True, help="How many of them must come together.")
@signing_options
def split(out: Path, shares: int, needed: int, asked: Asked) -> None:
    """Write a folder for each custodian, with all keys in a box and a share of the secret that opens it.

    \b
    Do so again after every `keys create` and `keys rotate`, and have the former shares destroyed.

    \b
    Example:
      sugar-deploy keys escrow split OUT -C lima --shares 5 --needed 3
    """
    with _installed():
        from sugar_deploy.keys.laptop import escrow as escrows

    own = asked.keys
    folders = escrows.split(own, asked.passphrase(), out, shares=shares, needed=needed)
    asked.tell(*folders)
    asked.tell(f"Any {needed} of {shares} custodians can restore the keys. Move these apart, leave no copy here")


@escrow.command()
@click.argument("box", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.argument("shares", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@signing_options
def restore(box: Path, shares: tuple[Path, ...], asked: Asked) -> None:
    """Put the keys of a box back into a deployment without keys, under a new passphrase.

    \b
    Example:
      sugar-deploy keys escrow restore keys.box one/share.txt four/share.txt five/share.txt -C lima
    """
    with _installed():
        from sugar_deploy.keys.laptop import escrow as escrows

    own = asked.keys
    read = [escrows.read_share(file) for file in shares]
    if strange := [share for share in read if share.deployment != own.deployment]:
        raise UsageError(
            f"the shares are of the deployment {strange[0].deployment}, not {own.deployment}",
            "Name its folder with -C",
        )
    entries, private = escrows.opened(box, read)
    own.restore(entries, private, asked.passphrase(new=True))
    asked.tell(f"{len(entries)} keys restored in {own.path}")


@contextlib.contextmanager
def _installed() -> Iterator[None]:
    """Raises DeployError where the package is not there that only this needs: no school has it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise DeployError(
            f"the Python package {error.name} is not installed", "pip install 'sugar-deploy[escrow]'"
        ) from error
