"""`sugar-deploy repo key`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sugar_deploy.cli.options import folder_option, json_option, verbosity_options
from sugar_deploy.cli.repo_shown import print_json
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder

if TYPE_CHECKING:
    from sugar_deploy.keys.repository_key import SigningKey


@click.command()
@folder_option
@click.option("--renew", "wish", flag_value="renew", help="Let the key live five years from today.")
@click.option("--rotate", "wish", flag_value="rotate", help="Make a new key; both sign until the former is retired.")
@click.option("--retire", "wish", flag_value="retire", help="Trust the former key no longer.")
@click.option("--yes", is_flag=True, help="Retire it even though some servers may know no other key.")
@json_option
@verbosity_options
def key(folder: Folder, wish: str | None, yes: bool, as_json: bool, verbose: int, quiet: bool) -> None:
    """Show the signing key, prolong its life, or replace it.

    \b
    To replace it: --rotate, then `apply` to every server, so that all of them trust both keys,
    then --retire, and `apply` once more. The key of packages for OLPC OS is another one, and stays.

    \b
    Example:
      sugar-deploy repo key -C lima              makes it if there is none yet
      sugar-deploy repo key -C lima --renew      then `apply`, so that servers learn of it
      sugar-deploy repo key -C lima --rotate     then `apply`
      sugar-deploy repo key -C lima --retire     then `apply`
    """
    from sugar_deploy.deployment.load import load
    from sugar_deploy.keys import repository_key as keys

    name = load(folder).name
    if wish == "renew":
        keys.renew(folder, name)
    elif wish == "rotate":
        keys.rotate(folder, name)
    elif wish == "retire":
        _retire(folder, name, yes=yes)
    with keys.signing_keys(folder, name) as (_, found):
        pass
    _show(folder, found, wish, as_json=as_json, quiet=quiet)
    if wish in {"rotate", "retire"} and not quiet and (rpm := _of_laptops(folder, name)):
        click.echo(rpm, err=True)
    if not quiet and (warning := keys.require_valid(found[0], folder)):
        click.echo(warning, err=True)


def _of_laptops(folder: Folder, name: str) -> str:
    """What a change of keys does not reach; an empty text where there are no packages for OLPC OS."""
    from sugar_deploy.keys.rpm_key import made_key
    from sugar_deploy.keys.secrets import Secrets

    found = made_key(Secrets(folder, name), name)
    if found is None:
        return ""
    return (
        f"The key for laptops on OLPC OS ({found.fingerprint}) stays as it is: if it is in wrong hands, only a visit "
        'to each laptop helps, see "Signatures" in docs/olpc-os.md'
    )


def _show(folder: Folder, found: tuple[SigningKey, ...], wish: str | None, *, as_json: bool, quiet: bool) -> None:
    from sugar_deploy.keys.repository_key import day

    if as_json:
        described = [{"fingerprint": one.fingerprint, "expires": day(one.expires_at)} for one in found]
        print_json(described[0] | {"former": described[1:], "file": str(folder.repository_key)})
        return
    for one, word in zip(found, ("", " (the former one, until --retire)"), strict=False):
        click.echo(f"{one.fingerprint}, valid until {day(one.expires_at)}: {folder.repository_key}{word}")
    if wish and not quiet:
        click.echo(f"Next: sugar-deploy apply -C {folder.root}")


def _retire(folder: Folder, name: str, *, yes: bool) -> None:
    from sugar_deploy.keys.repository_key import require_former, retire, signing_keys
    from sugar_deploy.run.prepare import resolved
    from sugar_deploy.run.trust import schools_without

    require_former(folder, name)
    with signing_keys(folder, name) as (_, found):
        present = found[0].fingerprint
    unsure = schools_without(folder, resolved(folder), present) if len(found) > 1 else ()
    if unsure and not yes:
        more = f" and {len(unsure) - 10} more" if len(unsure) > 10 else ""
        raise UsageError(
            f"{', '.join(unsure[:10])}{more} may know only the former key: no `apply` from here has brought the "
            "new one there",
            f"Apply to them first: sugar-deploy apply -C {folder.root}. If they have got it otherwise, as from a "
            "stick, say --yes",
        )
    retire(folder, name)
