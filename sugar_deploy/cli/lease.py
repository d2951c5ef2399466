"""`sugar-deploy lease`: what activates laptops."""

from __future__ import annotations

from pathlib import Path

import click

from sugar_deploy.cli.keys_options import Asked, keys_options
from sugar_deploy.cli.lease_issue import delegate, developer, issue, reset_clock
from sugar_deploy.cli.lease_stick import deliver, file_argument, stick
from sugar_deploy.cli.options import folder_option, verbosity_options
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder


@click.group()
def lease() -> None:
    """Issue what activates laptops, look at it, and put it on sticks.

    \b
    Example:
      sugar-deploy lease issue laptops.csv -o leases.sig --days 365 -C lima
      sugar-deploy lease stick leases.sig stick.img
      sugar-deploy lease verify leases.sig --serial SHC12345678 --uuid UUID -C lima
      sugar-deploy lease delegate laptops.csv --to san-martin -o d-lease.sig --days 400 -C lima
    """


for _command in (issue, delegate, developer, reset_clock, stick, deliver):
    lease.add_command(_command)


@lease.command()
@file_argument
@verbosity_options
def inspect(file: Path, verbose: int, quiet: bool) -> None:
    """Tell what is in a lease, key or signature file. It says nothing of the signatures' worth.

    \b
    Example:
      sugar-deploy lease inspect lease.sig
    """
    from olpc_security import explain
    from olpc_security.rules import Refusal

    try:
        described = explain.inspect(file.read_bytes())
    except Refusal as refusal:
        raise UsageError(f"{file}: {refusal}") from None
    for line in described:
        click.echo(line)


@lease.command()
@file_argument
@click.option("--serial", required=True, help="The laptop's serial number.")
@click.option("--uuid", required=True, help="The laptop's UUID.")
@click.option("--now", "clock", metavar="TIME", help="What its clock says, YYYYMMDDTHHMMSSZ; the present by default.")
@click.option("--rtc", nargs=2, metavar="TIME COUNT", help="What it shows when its clock is in doubt.")
@click.option(
    "--as",
    "kind",
    type=click.Choice(["lease.sig", "develop.sig", "rtcreset.sig"]),
    help="What the laptop takes it for.",
)
@keys_options
def verify(
    file: Path,
    serial: str,
    uuid: str,
    clock: str | None,
    rtc: tuple[str, str] | None,
    kind: str | None,
    asked: Asked,
) -> int:
    """Tell whether a laptop with the deployment's keys takes a file, and if not, the first rule broken.

    \b
    Keys that were replaced count as well: laptops trust them until their tags are taken away.

    \b
    Example:
      sugar-deploy lease verify lease.sig --serial SHC12345678 --uuid UUID -C lima
      sugar-deploy lease verify lease.sig --serial SHC12345678 --uuid UUID --now 20280101T000000Z -C lima
      sugar-deploy lease verify rtcreset.sig --serial SHC12345678 --uuid UUID
          --rtc 20110510T200549Z 0000012345 -C lima
    """
    from olpc_security import explain
    from olpc_security.laptop import Laptop
    from olpc_security.rules import Refusal
    from olpc_security.scan import Clock
    from olpc_security.times import seconds_of
    from olpc_security.trust import TrustedKeys

    from sugar_deploy.keys.laptop.purposes import PURPOSES

    own = asked.keys
    trusted = {
        letter: TrustedKeys(tuple(own.public(entry) for entry in own.entries() if entry.name == name))
        for name, letter in PURPOSES.items()
    }
    try:
        moment = seconds_of(clock) if clock else asked.now
        question = explain.Asked(Laptop(serial, uuid), trusted, moment, Clock(*rtc) if rtc else None)
    except Refusal as refusal:
        raise UsageError(refusal.what, refusal.rule.words) from None
    data = file.read_bytes()
    if rtc is None and (kind or explain.kind_of(data)) == explain.RTC_RESETS:
        raise UsageError(f"{file} is for a clock in doubt", "Tell what the laptop shows: --rtc TIME COUNT")
    verdict = explain.explain(data, question, kind or "")
    asked.tell(f"{file}: {verdict}")
    return 0 if verdict.is_valid else 1


@lease.command()
@click.argument("serials", nargs=-1, required=True)
@folder_option
@verbosity_options
def revoke(serials: tuple[str, ...], folder: Folder, verbose: int, quiet: bool) -> None:
    """Put stolen laptops on the deployment's list: they get no lease any more.

    \b
    A lease that a laptop has got holds until it expires: nothing can take it back.

    \b
    Example:
      sugar-deploy lease revoke SHC12345678 -C lima
    """
    from sugar_deploy.keys.lease.laptops import add_stolen

    add_stolen(folder.stolen, serials)
    if not quiet:
        click.echo(f"{', '.join(serials)}: on the list {folder.stolen}")
