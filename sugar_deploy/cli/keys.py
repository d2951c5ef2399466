"""`sugar-deploy keys`: the keys that laptops trust."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sugar_deploy.cli.keys_escrow import escrow
from sugar_deploy.cli.keys_federation import federation
from sugar_deploy.cli.keys_moving import export, import_
from sugar_deploy.cli.keys_options import demo_option, key_set, now, passphrase, passphrase_option, years_option
from sugar_deploy.cli.options import folder_option, json_option, verbosity_options
from sugar_deploy.cli.repo_shown import print_json, table
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder

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


keys.add_command(escrow)
keys.add_command(federation)
keys.add_command(export)
keys.add_command(import_, "import")


@keys.command()
@folder_option
@click.option(
    "--delegate", "delegates", metavar="NAME", multiple=True, help="Also a key that leases are delegated to."
)
@years_option
@passphrase_option
@demo_option
@json_option
@verbosity_options
def create(
    folder: Folder,
    delegates: tuple[str, ...],
    years: int,
    passphrase_file: Path | None,
    demo: bool,
    as_json: bool,
    verbose: int,
    quiet: bool,
) -> None:
    """Make those of the deployment's keys that are not there yet.

    \b
    They are: lease, developer, os, fs, fw; and with --delegate NAME one for a region or a school
    server that renews leases. A key with --demo is refused wherever a real one is needed.

    \b
    Example:
      sugar-deploy keys create -C lima
      sugar-deploy keys create -C lima --delegate loreto
      sugar-deploy keys create -C lima --passphrase-file /media/safe/passphrase
    """
    from sugar_deploy.keys.laptop.purposes import DELEGATE, PURPOSES

    own = key_set(folder, demo=demo)
    names = [*PURPOSES, *(f"{DELEGATE}{name}" for name in delegates)]
    made = own.create(names, passphrase(passphrase_file, new=not own.entries()), now(), years)
    if as_json:
        print_json([_described(own, entry) for entry in made])
    elif not quiet:
        for entry in made:
            click.echo(f"{entry.name}: {own.public(entry).keyid.hex()}, until {entry.expires}")
        click.echo(f"{len(made)} keys made in {own.path}{_mark(own)}")
        if made and not demo:
            click.echo("Next: sugar-deploy keys escrow split OUT, before anything is signed")


@keys.command("list")
@folder_option
@demo_option
@json_option
@verbosity_options
def list_(folder: Folder, demo: bool, as_json: bool, verbose: int, quiet: bool) -> None:
    """List the keys with their fingerprints, and until when they sign.

    \b
    Example:
      sugar-deploy keys list -C lima
      sugar-deploy keys list -C lima --json
    """
    own = key_set(folder, demo=demo)
    described = [_described(own, entry) for entry in own.entries()]
    if as_json:
        print_json(described)
    elif described:
        rows = [("key", "tag", "keyid", "signs until", "")]
        rows += [(one["name"], one["tag"], one["keyid"], one["expires"], one["state"]) for one in described]
        click.echo("\n".join(table(rows)))
    elif not quiet:
        click.echo(f"There are no keys in {own.path}. Make them: sugar-deploy keys create")


@keys.command()
@click.argument("name")
@folder_option
@demo_option
@json_option
@verbosity_options
def show(name: str, folder: Folder, demo: bool, as_json: bool, verbose: int, quiet: bool) -> None:
    """Show all about the present key of a name.

    \b
    Example:
      sugar-deploy keys show lease -C lima
    """
    own = key_set(folder, demo=demo)
    described = _described(own, own.entry(name))
    if as_json:
        print_json(described)
        return
    for word, value in described.items():
        click.echo(f"{word}: {value}")


@keys.command()
@click.argument("name")
@folder_option
@years_option
@passphrase_option
@demo_option
@verbosity_options
def rotate(
    name: str, folder: Folder, years: int, passphrase_file: Path | None, demo: bool, verbose: int, quiet: bool
) -> None:
    """Put a new key in a present one's place.

    \b
    The former one signs no more. Laptops trust it on until its tag is taken from them, and they
    trust the new one only when it has been put into them: plan a visit to each.

    \b
    Example:
      sugar-deploy keys rotate lease -C lima     then `keys export stick`
    """
    own = key_set(folder, demo=demo)
    made = own.rotate(name, passphrase(passphrase_file), now(), years)
    if not quiet:
        click.echo(f"{made.name}: {own.public(made).keyid.hex()}, until {made.expires}{_mark(own)}")
        click.echo("Next: sugar-deploy keys escrow split OUT, then sugar-deploy keys export stick STICK")


@keys.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--key", "name", metavar="NAME", help="Sign FILES with os, fs or fw; each FILE gets a FILE.sig.")
@click.option("--request", type=click.Path(path_type=Path, exists=True), help="Sign what another machine asks for.")
@click.option("--answer", type=click.Path(path_type=Path, dir_okay=False), help="Write the answer to a request here.")
@click.option("--yes", is_flag=True, help="Sign a request without asking.")
@folder_option
@passphrase_option
@demo_option
@verbosity_options
def sign(
    files: tuple[Path, ...],
    name: str | None,
    request: Path | None,
    answer: Path | None,
    yes: bool,
    folder: Folder,
    passphrase_file: Path | None,
    demo: bool,
    verbose: int,
    quiet: bool,
) -> None:
    """Sign files, or on a machine apart what another one asks for.

    \b
    Example:
      sugar-deploy keys sign data.img --key os -C lima       writes data.img.sig
      sugar-deploy keys export request os data.img -o ask.json -C lima   where images are made
      sugar-deploy keys sign --request ask.json --answer told.json -C lima   where the keys are
      sugar-deploy keys import signatures told.json data.img -C lima    where images are made
    """
    own = key_set(folder, demo=demo)
    if request is not None and answer is not None and not files and name is None:
        _answer(own, request, answer, passphrase_file, yes=yes)
    elif files and name is not None and request is None and answer is None:
        _sign_files(own, files, name, passphrase_file, quiet=quiet)
    else:
        raise UsageError("say what to sign", "Either FILES and --key NAME, or --request FILE and --answer FILE")


def _sign_files(
    own: KeySet, files: tuple[Path, ...], name: str, passphrase_file: Path | None, *, quiet: bool
) -> None:
    from sugar_deploy.files import write_atomically
    from sugar_deploy.keys.laptop.offline import item, signed

    items = [item(file, name) for file in files]
    key = own.signer(name, passphrase(passphrase_file), now())
    for file, one in zip(files, items, strict=True):
        out = file.with_name(f"{file.name}.sig")
        write_atomically(out, signed(one, key), 0o644)
        if not quiet:
            click.echo(f"{out}{_mark(own)}")


def _answer(own: KeySet, request: Path, answer: Path, passphrase_file: Path | None, *, yes: bool) -> None:
    from sugar_deploy.files import write_on_media
    from sugar_deploy.keys.laptop.offline import answered, read

    asked = read(request)
    if asked.deployment != own.deployment:
        raise UsageError(
            f"the request is of the deployment {asked.deployment}, not {own.deployment}", "Ask for another"
        )
    click.echo(f"The key {asked.key} is to sign:", err=True)
    for one in asked.items:
        digests = ", ".join(f"{name} {digest}" for name, digest in one.digests.items())
        click.echo(f"  {one.name}, {one.size_bytes} bytes, {digests}", err=True)
    if not yes:
        click.confirm("Are these the files that you know of?", abort=True, err=True)
    key = own.signer(asked.key, passphrase(passphrase_file), now())
    write_on_media(answer, answered(asked, key).text.encode(), 0o644)


def _described(own: KeySet, entry: Entry) -> dict[str, Any]:
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
        "state": _state(own, entry),
        "file": str(own.path / f"{entry.file}.public"),
    }


def _state(own: KeySet, entry: Entry) -> str:
    from olpc_security.times import seconds_of

    words = ["demo"] if own.demo else []
    if entry.former:
        words.append("former")
    elif seconds_of(entry.expires) < now():
        words.append("expired")
    if not own.has_private(entry):
        words.append("public key only")
    return ", ".join(words) or "present"


def _mark(own: KeySet) -> str:
    return ", FOR DEMONSTRATIONS ONLY" if own.demo else ""
