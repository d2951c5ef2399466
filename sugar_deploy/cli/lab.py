"""`sugar-deploy lab`: throw-away machines for trying a deployment and for CI."""

from __future__ import annotations

import json
from typing import Any

import click

from sugar_deploy.cli.lab_living import apply, shell, ssh_config, the_lab, verify
from sugar_deploy.cli.lab_options import (
    backend_option,
    memory_option,
    offline_option,
    scenario_option,
    source_option,
    suite_option,
)
from sugar_deploy.cli.lab_report import describe, show
from sugar_deploy.cli.lab_test import test
from sugar_deploy.cli.narrate import narrator
from sugar_deploy.cli.options import json_option, verbosity_options
from sugar_deploy.cli.signals import ended_by_signals


@click.group()
def lab() -> None:
    """Throw-away machines for trying a deployment and for CI.

    \b
    Each school of the deployment gets a server and a laptop beside it, on links of their own:
    nothing reaches the machine's real network, SSH is on loopback only.

    \b
    Example:
      sugar-deploy lab test --scenario offline-server    boots, applies, verifies, clears away
      sugar-deploy lab up --scenario peer-server         boots and leaves the machines running
      sugar-deploy lab down
    """


for command in (apply, shell, ssh_config, test, verify):
    lab.add_command(command)


@lab.command()
@scenario_option
@source_option
@suite_option
@backend_option
@memory_option
@offline_option
@click.option("--with-sugar", is_flag=True, help="The laptops run Debian's Sugar, on a screen to look at by VNC.")
@click.option("--name", "identity", metavar="LAB", help="Call the lab this; made up by default.")
@json_option
@verbosity_options
@ended_by_signals()
def up(as_json: bool, verbose: int, quiet: bool, **choices: Any) -> None:
    """Boot a deployment's machines and leave them running.

    \b
    Example:
      sugar-deploy lab up --scenario offline-server
      sugar-deploy lab up -C lima --suite trixie
    """
    from sugar_deploy.lab.session import bring_up

    machines = bring_up(say=narrator(quiet=quiet, as_json=as_json), owned=False, **choices)
    if as_json:
        click.echo(json.dumps(describe(machines), indent=2))
    elif not quiet:
        show(machines, verbose=verbose > 0)


@lab.command()
@click.argument("identity", metavar="[LAB]", required=False)
@click.option("--all", "every", is_flag=True, help="End all labs.")
@verbosity_options
def down(identity: str | None, every: bool, verbose: int, quiet: bool) -> None:
    """End a lab: machines, networks, disks, keys.

    \b
    Example:
      sugar-deploy lab down
      sugar-deploy lab down --all
    """
    from sugar_deploy.lab.garbage import collect
    from sugar_deploy.lab.launch import end, require_root
    from sugar_deploy.lab.places import LabPlace
    from sugar_deploy.lab.session import living

    require_root()
    say = (lambda _text: None) if quiet else click.echo
    names = living() if every else [the_lab(identity).place.identity]
    for name in names:
        place = LabPlace.of(name)
        if verbose:
            say(f"Ending {name}: its disks in {place.disks}, its state and logs in {place.root}")
        end(place)
        say(f"Ended {name}.")
    for name in collect():
        if name not in names:
            say(f"Cleared away what was left of {name}.")


@lab.command("list")
@json_option
@verbosity_options
def list_labs(as_json: bool, verbose: int, quiet: bool) -> None:
    """Show the labs that are up.

    \b
    Example:
      sugar-deploy lab list
      sugar-deploy lab list -q     their names only
    """
    from sugar_deploy.lab.launch import require_root
    from sugar_deploy.lab.session import attachable

    require_root()
    found = attachable()
    if as_json:
        click.echo(json.dumps([describe(each) for each in found], indent=2))
        return
    for each in found:
        if quiet:
            click.echo(each.place.identity)
        else:
            show(each, verbose=verbose > 0)
    if not found and not quiet:
        click.echo("No lab is up. Start one: sugar-deploy lab up --scenario offline-server")


@lab.command()
@click.option("--again", is_flag=True, help="Try again, even if it was tried since this machine booted.")
@json_option
@verbosity_options
@ended_by_signals()
def backends(again: bool, as_json: bool, verbose: int, quiet: bool) -> None:
    """Boot a small machine in every way there is, and show what was tried, seen and timed.

    \b
    Example:
      sugar-deploy lab backends
    """
    from sugar_deploy.lab.launch import require_root
    from sugar_deploy.lab.probe import probe

    require_root()
    found = probe(again=again, say=lambda text: None if quiet else click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps([each.as_dict() for each in found], indent=2))
        return
    for each in found:
        if quiet and each.works:
            continue
        mark = click.style("works ", fg="green") if each.works else click.style("no    ", fg="yellow")
        kept = " until this machine boots again" if each.lasting else " only this time"
        click.echo(
            f"{each.backend:<10} {mark} {each.seconds:6.1f} s  {each.seen}  "
            f"(tried: {each.tried}{'; believed' + kept if verbose else ''})"
        )
