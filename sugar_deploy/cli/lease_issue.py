"""`sugar-deploy lease issue`, `delegate`, `developer` and `reset-clock`: what takes a private key."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sugar_deploy.cli.keys_options import Asked, signing_options
from sugar_deploy.cli.narrate import narrator
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.keys.laptop.purposes import DELEGATE

if TYPE_CHECKING:
    from olpc_security.laptop import Laptop

    from sugar_deploy.keys.lease.issue import Order

F = TypeVar("F", bound=Callable[..., Any])
DAY_SECONDS = 86400
LONGEST_DAYS = 3653

laptops_argument = click.argument("laptops", type=click.Path(path_type=Path, exists=True, dir_okay=False))
output_option = click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="Write this file."
)


def days_option(function: F) -> F:
    """--days N; passed as `days: int`."""
    return click.option(
        "--days", type=click.IntRange(1, LONGEST_DAYS), required=True, help="Valid for so many days from now."
    )(function)


@click.command()
@laptops_argument
@output_option
@days_option
@click.option("--by", metavar="NAME", help="Sign with the key delegate-NAME of a region or school server.")
@click.option(
    "--delegation",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="What `lease delegate` wrote for that key.",
)
@signing_options
def issue(laptops: Path, output: Path, days: int, by: str | None, delegation: Path | None, asked: Asked) -> None:
    """Issue leases for a list of laptops, lines of SERIAL,UUID.

    \b
    Stolen ones, see `lease revoke`, are left out. The same command carries on a run that was cut off.

    \b
    With --by, the key of a region or a school issues them, for laptops that are delegated to it and no
    others; none outlives its delegation. Of the deployment's own keys only lease-1.public is needed.

    \b
    Example:
      sugar-deploy lease issue laptops.csv -o leases.sig --days 365 -C lima
      sugar-deploy lease issue laptops.csv -o leases.sig --days 30 --by loreto
          --delegation d-lease.sig -C loreto
    """
    from sugar_deploy.keys.lease.issue import issue as issue_all

    if (by is None) != (delegation is None):
        raise UsageError("a key and its delegation belong together", "Say --by NAME and --delegation FILE, or none")
    _require_new(output)
    say = narrator(quiet=asked.quiet, as_json=False)
    wanted = _not_stolen(laptops, asked.folder)
    order = _order(wanted, days, by, delegation, asked)
    key = asked.signer(f"{DELEGATE}{by}" if by else "lease")
    ready = issue_all(key, order, output, lambda count: say(f"{count} of {len(wanted)} leases"))
    if ready:
        say(f"{ready} of them were ready from a run that was cut off")
    if by and len(wanted) > 1:
        click.echo(
            f"Warning: {output} is for `lease stick` and for school servers, not for a laptop as it is: the firmware "
            "reads one delegated lease from a file",
            err=True,
        )
    asked.tell(f"{output}{asked.mark}. Next: sugar-deploy lease stick {output} STICK")


def _order(wanted: list[Laptop], days: int, by: str | None, delegation: Path | None, asked: Asked) -> Order:
    from olpc_security.times import written

    from sugar_deploy.keys.lease.delegated import read_chains
    from sugar_deploy.keys.lease.issue import Order

    until, own = written(asked.now + days * DAY_SECONDS), asked.keys
    if by is None or delegation is None:
        return Order(wanted, until, f"{days} days", asked.now)
    root = own.public(own.entry("lease"))
    chains = read_chains(delegation, wanted, own.public(own.entry(f"{DELEGATE}{by}")), root, asked.now)
    return Order(wanted, until, f"{days} days by {by}", asked.now, chains, root)


@click.command()
@laptops_argument
@click.option("--to", "to", metavar="NAME", required=True, help="The key delegate-NAME of a region or school server.")
@output_option
@days_option
@signing_options
def delegate(laptops: Path, to: str, output: Path, days: int, asked: Asked) -> None:
    """Let a school server's key issue leases for these laptops, and no others, for so long.

    \b
    Example:
      sugar-deploy keys import key server.public --as delegate-san-martin -C lima
      sugar-deploy lease delegate laptops.csv --to san-martin -o d-lease.sig --days 400 -C lima
    """
    from olpc_security import issue as issuing
    from olpc_security.delegations import write_delegations
    from olpc_security.times import written

    from sugar_deploy.files import write_atomically

    own = asked.keys
    server = own.public(own.entry(f"{DELEGATE}{to}"))
    wanted = _not_stolen(laptops, asked.folder)
    key = asked.signer("lease")
    until = written(asked.now + days * DAY_SECONDS)
    made = [issuing.delegation(key, server, laptop, until, asked.now) for laptop in wanted]
    write_atomically(output, write_delegations(made))
    asked.tell(f"{len(made)} laptops delegated to {to} until {until}{asked.mark}")


@click.command()
@laptops_argument
@output_option
@signing_options
def developer(laptops: Path, output: Path, asked: Asked) -> None:
    """Issue developer keys, which unlock these laptops for ever.

    \b
    Example:
      sugar-deploy lease developer laptops.csv -o develop.sig -C lima
    """
    from olpc_security import issue as issuing

    from sugar_deploy.files import write_atomically

    wanted = _not_stolen(laptops, asked.folder)
    key = asked.signer("developer")
    write_atomically(output, "".join(issuing.developer_key(key, laptop).line for laptop in wanted))
    asked.tell(f"{len(wanted)} developer keys{asked.mark}. Next: sugar-deploy lease stick {output} STICK")


@click.command("reset-clock")
@click.option("--serial", required=True, help="The laptop's serial number.")
@click.option("--uuid", required=True, help="The laptop's UUID.")
@click.option("--current", required=True, metavar="TIME", help="The time that it shows, YYYYMMDDTHHMMSSZ.")
@click.option("--count", required=True, help="The count that it shows, 10 digits.")
@output_option
@signing_options
def reset_clock(serial: str, uuid: str, current: str, count: str, output: Path, asked: Asked) -> None:
    """Let a laptop whose clock went back set it to the present.

    \b
    Example:
      sugar-deploy lease reset-clock --serial SHC12345678 --uuid UUID --current 20110510T200549Z
          --count 0000012345 -o rtcreset.sig -C lima
    """
    from olpc_security import issue as issuing
    from olpc_security.laptop import Laptop
    from olpc_security.rules import Refusal
    from olpc_security.times import written

    from sugar_deploy.files import write_atomically

    key = asked.signer("lease")
    try:
        laptop = Laptop(serial, uuid)
        reset = issuing.rtc_reset(key, laptop, current=current, count=count, new=written(asked.now))
    except Refusal as refusal:
        raise UsageError(refusal.what, refusal.rule.words) from None
    write_atomically(output, reset.line)
    asked.tell(f"{output}{asked.mark}. Next: sugar-deploy lease stick {output} STICK")


def _not_stolen(file: Path, folder: Folder) -> list[Laptop]:
    from sugar_deploy.keys.lease.laptops import read_laptops, read_stolen

    stolen = read_stolen(folder.stolen)
    listed = read_laptops(file)
    wanted = [laptop for laptop in listed if laptop.serial not in stolen]
    if left_out := [laptop.serial for laptop in listed if laptop.serial in stolen]:
        click.echo(f"Stolen, and left out: {', '.join(left_out)}", err=True)
    if not wanted:
        raise UsageError(f"all laptops in {file} are stolen", f"See {folder.stolen}")
    return wanted


def _require_new(output: Path) -> None:
    if output.exists():
        raise UsageError(f"{output} exists", "Move it away, or name another file")
