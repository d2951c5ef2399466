"""`sugar-deploy keys export` and `sugar-deploy keys import`."""

from __future__ import annotations

from pathlib import Path

import click

from sugar_deploy.cli.keys_keyjector import keyjector_
from sugar_deploy.cli.keys_options import Asked, keys_options, signing_options, years_option
from sugar_deploy.errors import UsageError

out_argument = click.argument("out", type=click.Path(path_type=Path, file_okay=False))
files_argument = click.argument(
    "files", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)


@click.group()
def export() -> None:
    """Write public keys, and requests for signatures, for other machines. Private keys never leave this way.

    \b
    Example:
      sugar-deploy keys export public OUT -C lima
      sugar-deploy keys export stick STICK -C lima
      sugar-deploy keys export request os data.img -o ask.json -C lima
    """


@export.command()
@out_argument
@keys_options
def public(out: Path, asked: Asked) -> None:
    """Write the public keys as NAME.public, 270 bytes each.

    \b
    Example:
      sugar-deploy keys export public OUT -C lima
    """
    from sugar_deploy.keys.laptop.media import write_public

    asked.tell(*write_public(asked.keys, out))


@export.command()
@out_argument
@click.option("--sku", "skus", metavar="SKU", multiple=True, help="Only laptops of this kind, as their tag P# says.")
@keys_options
def stick(out: Path, skus: tuple[str, ...], asked: Asked) -> None:
    """Write the root of a FAT stick that puts the keys into unlocked laptops.

    \b
    At the laptop's ok prompt: fload u:\\keys.fth. Try one laptop with the game key X held, which
    checks signatures without locking, before you lock any.

    \b
    Example:
      sugar-deploy keys export stick /media/stick -C lima
      sugar-deploy keys export stick /media/stick --sku 1CL1BZP0KD6 -C lima
    """
    from sugar_deploy.keys.laptop.media import write_stick

    asked.tell(*write_stick(asked.keys, out, skus))


@export.command()
@click.argument("name")
@files_argument
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The request.")
@keys_options
def request(name: str, files: tuple[Path, ...], output: Path, asked: Asked) -> None:
    """Ask the machine that has the private keys to sign files with the key NAME: os, fs or fw.

    \b
    Example:
      sugar-deploy keys export request os data.img -o ask.json -C lima
    """
    from sugar_deploy.files import write_on_media
    from sugar_deploy.keys.laptop.offline import Request, item

    own = asked.keys
    keyid = own.public(own.entry(name)).keyid.hex()
    wish = Request(own.deployment, name, keyid, tuple(item(file, name) for file in files))
    write_on_media(output, wish.text.encode(), 0o644)
    asked.tell(f"Next, where the keys are: sugar-deploy keys sign --request {output.name} --answer told.json")


export.add_command(keyjector_)


@click.group()
def import_() -> None:
    """Take in keys that were made elsewhere, and signatures that another machine made.

    \b
    Example:
      sugar-deploy keys import key lease.private --as lease -C lima
      sugar-deploy keys import signatures told.json data.img -C lima
    """


@import_.command("key")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--as", "name", required=True, metavar="NAME", help="What it is for: lease, os, delegate-NAME …")
@years_option
@signing_options
def key_(file: Path, name: str, years: int, asked: Asked) -> None:
    """Take in a key of OLPC's tools: NAME.private with its public half, or NAME.public alone.

    \b
    Example:
      sugar-deploy keys import key lease.private --as lease -C lima
      sugar-deploy keys import key server.public --as delegate-san-martin -C lima
    """
    from olpc_security.keys import PUBLIC_BYTES, PrivateKey, PublicKey
    from olpc_security.rules import Refusal

    own = asked.keys
    content = file.read_bytes()
    try:
        key = PublicKey(content) if len(content) == PUBLIC_BYTES else PrivateKey.from_der(content)
    except Refusal as refusal:
        raise UsageError(f"{file}: {refusal.what}", "Name a NAME.private or NAME.public of OLPC's tools") from None
    words = asked.passphrase(new=not own.has_any_private()) if isinstance(key, PrivateKey) else ""
    made = own.adopt(name, key, words, asked.now, years)
    asked.tell(f"{made.name}: {own.public(made).keyid.hex()}, until {made.expires}")
    if isinstance(key, PrivateKey):
        asked.tell(f"{file} is not encrypted: destroy it and every copy")


@import_.command()
@click.argument("answer", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@files_argument
@keys_options
def signatures(answer: Path, files: tuple[Path, ...], asked: Asked) -> None:
    """Write a FILE.sig beside each file of a request that was answered, if laptops take it.

    \b
    Example:
      sugar-deploy keys import signatures told.json data.img -C lima
    """
    from sugar_deploy.files import write_atomically
    from sugar_deploy.keys.laptop.offline import accepted, read

    own = asked.keys
    told = read(answer)
    public_key = own.public(own.entry(told.key))
    if [file.name for file in files] != [item.name for item in told.items]:
        names = " ".join(item.name for item in told.items)
        raise UsageError(f"{answer} answers for other files", f"Name these, in this order: {names}")
    made = [accepted(told, number, file, public_key, asked.now) for number, file in enumerate(files)]
    for file, data_sig in zip(files, made, strict=True):
        write_atomically(file.with_name(f"{file.name}.sig"), data_sig, 0o644)
    asked.tell(*(file.with_name(f"{file.name}.sig") for file in files))
