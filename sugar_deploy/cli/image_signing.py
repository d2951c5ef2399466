"""How an image is made and who signs it: what `image build` and `image output` share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sugar_deploy.cli.keys_options import Asked, signing_options
from sugar_deploy.errors import UsageError

if TYPE_CHECKING:
    from sugar_deploy.image.models import Model, NandFilesystem
    from sugar_deploy.image.outputs.signing import Signer

F = TypeVar("F", bound=Callable[..., Any])
_OPTIONS = (
    click.option("--size", metavar="4gb", help="The size of the model's storage; the smallest one by default."),
    click.option("--name", help="What the files are called: 8 small letters and digits at most."),
    click.option(
        "--filesystem",
        type=click.Choice(["ubifs", "jffs2"]),
        callback=lambda _context, _option, word: _nand_filesystem(word),
        help="What an XO-1's NAND holds.",
    ),
    click.option("--unsigned", is_flag=True, help="For unlocked laptops, without the deployment's keys."),
)


def _nand_filesystem(word: str | None) -> NandFilesystem | None:
    from sugar_deploy.image.models import NandFilesystem

    return NandFilesystem(word) if word else None


def output_options(function: F) -> F:
    """--size, --name, --filesystem, --unsigned, and those of who signs: passed as these and `asked: Asked`."""
    function = signing_options(function)
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


def signer(asked: Asked, model: Model, *, unsigned: bool) -> Signer | None:
    """The deployment's keys, for a model whose firmware asks for signatures; the passphrase is asked for once."""
    from sugar_deploy.image.bundles.signing import Key
    from sugar_deploy.image.models import Flow
    from sugar_deploy.image.outputs.signing import Signer
    from sugar_deploy.keys.laptop.offline import item, signed

    if model.flow is Flow.DISK or unsigned:
        return None
    own = asked.keys
    if not own.entries():
        raise UsageError(
            f"{own.path} has no keys to sign {model.title}'s image with",
            "Make them: sugar-deploy keys create; or make it for unlocked laptops: --unsigned",
        )
    public = tuple(Key(purpose, own.public(own.entry(purpose))) for purpose in ("os", "fs"))
    words = asked.passphrase()
    private = {purpose: own.signer(purpose, words, asked.now) for purpose in ("os", "fs")}
    return Signer(lambda file, purpose: signed(item(file, purpose), private[purpose]).encode(), public)
