"""`sugar-deploy keys`: the keys that laptops trust."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sugar_deploy.cli.keys_authority import authority
from sugar_deploy.cli.keys_escrow import escrow
from sugar_deploy.cli.keys_moving import export, import_
from sugar_deploy.cli.keys_options import Asked, keys_options, signing_options, years_option
from sugar_deploy.cli.options import json_option
from sugar_deploy.cli.repo_shown import print_json, table
from sugar_deploy.errors import UsageError

if TYPE_CHECKING:
    from sugar_deploy.keys.laptop.keyset import Entry, KeySet


@click.group()
def keys() -> None:
    """Make, replace, share and use the keys that XO laptops trust.

    \b
    Private keys are encrypted by a passphrase that only people know. The machine that has them
    should be on no network: it signs what other machines ask for by request.

    \b
    Example:
      sugar-deploy keys create -C lima           makes the deployment's keys
      sugar-deploy keys list -C lima             shows them
      sugar-deploy keys escrow split OUT -C lima --shares 5 --needed 3
      sugar-deploy keys export stick STICK -C lima   puts the public ones into unlocked laptops
    """


keys.add_command(authority)
keys.add_command(escrow)
keys.add_command(export)
keys.add_command(import_, "import")


@keys.command()
@click.option(
    "--delegate", "delegates", metavar="NAME", multiple=True, help="Also a key that leases are delegated to."
)
@click.option("--only", is_flag=True, help="Those of --delegate alone, where a region or school has no others.")
@years_option
@json_option
@signing_options
def create(delegates: tuple[str, ...], only: bool, years: int, as_json: bool, asked: Asked) -> None:
    """Make those of the deployment's keys that are not there yet.

    \b
    They are: lease, developer, os, fs, fw; and with --delegate NAME one for a region or a school
    server that renews leases. The keys of a demonstration (`demonstration: true` in deployment.yml)
    protect nothing, and are refused by any other deployment.

    \b
    Example:
      sugar-deploy keys create -C lima
      sugar-deploy keys create -C lima --delegate loreto
      sugar-deploy keys create -C loreto --delegate loreto --only
      sugar-deploy keys create -C lima --passphrase-file /media/safe/passphrase
    """
    from sugar_deploy.keys.laptop.purposes import DELEGATE, PURPOSES

    own = asked.keys
    if only and not delegates:
        raise UsageError("--only says that there are no other keys than those of --delegate", "Name one, or leave it")
    names = [*(() if only else PURPOSES), *(f"{DELEGATE}{name}" for name in delegates)]
    made = own.create(names, asked.passphrase(new=not own.has_any_private()), asked.now, years)
    if as_json:
        print_json([_described(own, entry, asked.now) for entry in made])
        return
    asked.tell(*(f"{entry.name}: {own.public(entry).keyid.hex()}, until {entry.expires}" for entry in made))
    asked.tell(f"{len(made)} keys made in {own.path}{asked.mark}")
    if made and not own.demo:
        asked.tell("Next: sugar-deploy keys escrow split OUT, before anything is signed")


@keys.command("list")
@json_option
@keys_options
def list_(as_json: bool, asked: Asked) -> None:
    """List the keys with their fingerprints, and until when they sign.

    \b
    Example:
      sugar-deploy keys list -C lima
      sugar-deploy keys list -C lima --json
    """
    own = asked.keys
    described = [_described(own, entry, asked.now) for entry in own.entries()]
    if as_json:
        print_json(described)
    elif described:
        rows = [("key", "tag", "keyid", "signs until", "")]
        rows += [(one["name"], one["tag"], one["keyid"], one["expires"], one["state"]) for one in described]
        click.echo("\n".join(table(rows)))
    else:
        asked.tell(f"There are no keys in {own.path}. Make them: sugar-deploy keys create")


@keys.command()
@click.argument("name")
@json_option
@keys_options
def show(name: str, as_json: bool, asked: Asked) -> None:
    """Show all about the present key of a name.

    \b
    Example:
      sugar-deploy keys show lease -C lima
    """
    own = asked.keys
    described = _described(own, own.entry(name), asked.now)
    if as_json:
        print_json(described)
        return
    for word, value in described.items():
        click.echo(f"{word}: {value}")


@keys.command()
@click.argument("name")
@years_option
@signing_options
def rotate(name: str, years: int, asked: Asked) -> None:
    """Put a new key in a present one's place.

    \b
    The former one signs no more. Laptops trust it on until its tag is taken from them, and they
    trust the new one only when it has been put into them: plan a visit to each.

    \b
    Example:
      sugar-deploy keys rotate lease -C lima     then `keys export stick`
    """
    own = asked.keys
    made = own.rotate(name, asked.passphrase(), asked.now, years)
    asked.tell(f"{made.name}: {own.public(made).keyid.hex()}, until {made.expires}{asked.mark}")
    asked.tell("Next: sugar-deploy keys escrow split OUT, then sugar-deploy keys export stick STICK")


@keys.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--key", "name", metavar="NAME", help="Sign FILES with os, fs or fw; each FILE gets a FILE.sig.")
@click.option("--request", type=click.Path(path_type=Path, exists=True), help="Sign what another machine asks for.")
@click.option("--answer", type=click.Path(path_type=Path, dir_okay=False), help="Write the answer to a request here.")
@click.option("--yes", is_flag=True, help="Sign a request without asking.")
@signing_options
def sign(
    files: tuple[Path, ...], name: str | None, request: Path | None, answer: Path | None, yes: bool, asked: Asked
) -> None:
    """Sign files, or on a machine apart what another one asks for.

    \b
    Example:
      sugar-deploy keys sign data.img --key os -C lima       writes data.img.sig
      sugar-deploy keys export request os data.img -o ask.json -C lima   where images are made
      sugar-deploy keys sign --request ask.json --answer told.json -C lima   where the keys are
      sugar-deploy keys import signatures told.json data.img -C lima    where images are made
    """
    if request is not None and answer is not None and not files and name is None:
        _answer(asked, request, answer, yes=yes)
    elif files and name is not None and request is None and answer is None:
        _sign_files(asked, files, name)
    else:
        raise UsageError("say what to sign", "Either FILES and --key NAME, or --request FILE and --answer FILE")


def _sign_files(asked: Asked, files: tuple[Path, ...], name: str) -> None:
    from sugar_deploy.files import write_atomically
    from sugar_deploy.keys.laptop.offline import item, signed

    items = [item(file, name) for file in files]
    key = asked.signer(name)
    for file, one in zip(files, items, strict=True):
        out = file.with_name(f"{file.name}.sig")
        write_atomically(out, signed(one, key), 0o644)
        asked.tell(f"{out}{asked.mark}")


def _answer(asked: Asked, request: Path, answer: Path, *, yes: bool) -> None:
    from sugar_deploy.files import write_on_media
    from sugar_deploy.keys.laptop.offline import answered, read

    wish, deployment = read(request), asked.keys.deployment
    if wish.deployment != deployment:
        raise UsageError(f"the request is of the deployment {wish.deployment}, not {deployment}", "Ask for another")
    click.echo(f"The key {wish.key} is to sign:", err=True)
    for one in wish.items:
        digests = ", ".join(f"{name} {digest}" for name, digest in one.digests.items())
        click.echo(f"  {one.name}, {one.size_bytes} bytes, {digests}", err=True)
    if not yes:
        click.confirm("Are these the files that you know of?", abort=True, err=True)
    signed = answered(wish, asked.signer(wish.key))
    write_on_media(answer, signed.text.encode(), 0o644)


def _described(own: KeySet, entry: Entry, now: int) -> dict[str, Any]:
    import hashlib

    from sugar_deploy.keys.laptop.purposes import meaning, tag

    public = own.public(entry)
    return {
        "name": entry.name,
        "tag": tag(entry.name, entry.generation),
        "signs": meaning(entry.name),
        "keyid": public.keyid.hex(),
        "sha256": hashlib.sha256(public.der).hexdigest(),
        "created": entry.created,
        "expires": entry.expires,
        "state": _state(own, entry, now),
        "file": str(own.path / f"{entry.file}.public"),
    }


def _state(own: KeySet, entry: Entry, now: int) -> str:
    from olpc_security.times import seconds_of

    words = ["demo"] if own.demo else []
    if entry.former:
        words.append("former")
    elif seconds_of(entry.expires) < now:
        words.append("expired")
    if not own.has_private(entry):
        words.append("public key only")
    return ", ".join(words) or "present"
