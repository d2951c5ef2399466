"""`sugar-deploy lab`: throw-away machines for trying a deployment and for CI."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

import click

from sugar_deploy.cli.lab_options import backend_option, offline_option, scenario_option, source_option, suite_option
from sugar_deploy.cli.lab_report import describe, show
from sugar_deploy.cli.lab_test import test
from sugar_deploy.cli.narrate import narrator
from sugar_deploy.cli.options import json_option, verbosity_options
from sugar_deploy.cli.signals import ended_by_signals
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder

if TYPE_CHECKING:
    from sugar_deploy.lab.lab import Lab

name_option = click.option("--lab", "identity", metavar="LAB", help="Which lab, if there are several.")


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


lab.add_command(test)


@lab.command()
@scenario_option
@source_option
@suite_option
@backend_option
@offline_option
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
        show(machines)


@lab.command()
@click.argument("identity", metavar="[LAB]", required=False)
@click.option("--all", "every", is_flag=True, help="End all labs.")
def down(identity: str | None, every: bool) -> None:
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
    names = living() if every else [the_lab(identity).place.identity]
    for name in names:
        end(LabPlace.of(name))
        click.echo(f"Ended {name}.")
    for name in collect():
        if name not in names:
            click.echo(f"Cleared away what was left of {name}.")


@lab.command("list")
@json_option
def list_labs(as_json: bool) -> None:
    """Show the labs that are up.

    \b
    Example:
      sugar-deploy lab list
    """
    from sugar_deploy.lab.launch import require_root
    from sugar_deploy.lab.session import attachable

    require_root()
    found = attachable()
    if as_json:
        click.echo(json.dumps([describe(each) for each in found], indent=2))
        return
    for each in found:
        show(each)
    if not found:
        click.echo("No lab is up. Start one: sugar-deploy lab up --scenario offline-server")


def the_lab(identity: str | None) -> Lab:
    """The lab that is meant: the named one, or the only one."""
    from sugar_deploy.lab.lab import Lab
    from sugar_deploy.lab.launch import require_root
    from sugar_deploy.lab.session import living

    require_root()
    names = living()
    if identity is not None:
        return Lab.attach(identity)
    if not names:
        raise UsageError("No lab is up", "Start one: sugar-deploy lab up --scenario offline-server")
    if len(names) > 1:
        raise UsageError("Several labs are up", f"Say which with --lab: {', '.join(names)}")
    return Lab.attach(names[0])


@lab.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@name_option
@click.argument("machine")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def shell(identity: str | None, machine: str, command: tuple[str, ...]) -> None:
    """Log in to a machine of the lab, or run one command there.

    \b
    Example:
      sugar-deploy lab shell san-martin
      sugar-deploy lab shell san-martin-laptop ip address
    """
    import shlex

    machines = the_lab(identity).machines
    if machine not in machines:
        raise UsageError(f"The lab has no machine {machine}", f"It has: {', '.join(machines)}")
    words = machines[machine].ssh_argv(tty=sys.stdin.isatty())
    command = command[1:] if command[:1] == ("--",) else command
    os.execvp(words[0], [*words, *(("--", shlex.join(command)) if command else ())])  # noqa: S606 - ssh takes over


@lab.command("ssh-config")
@name_option
def ssh_config(identity: str | None) -> None:
    """Print the lab's machines for ~/.ssh/config or `ssh -F`.

    \b
    Example:
      sugar-deploy lab ssh-config > lab.conf; ssh -F lab.conf san-martin
    """
    for name, machine in the_lab(identity).machines.items():
        click.echo(f"Host {name}")
        for line in (
            "HostName 127.0.0.1",
            f"Port {machine.port}",
            "User root",
            f"IdentityFile {machine.key}",
            "IdentitiesOnly yes",
            f"UserKnownHostsFile {machine.place.known_hosts}",
            "StrictHostKeyChecking yes",
        ):
            click.echo(f"    {line}")


@lab.command()
@click.option("--again", is_flag=True, help="Try again, even if it was tried since this machine booted.")
@json_option
@ended_by_signals()
def backends(again: bool, as_json: bool) -> None:
    """Boot a small machine in every way there is, and show what was tried, seen and timed.

    \b
    Example:
      sugar-deploy lab backends
    """
    from sugar_deploy.lab.launch import require_root
    from sugar_deploy.lab.probe import probe

    require_root()
    found = probe(again=again, say=lambda text: click.echo(text, err=True))
    if as_json:
        click.echo(json.dumps([each.as_dict() for each in found], indent=2))
        return
    for each in found:
        mark = click.style("works ", fg="green") if each.works else click.style("no    ", fg="yellow")
        click.echo(f"{each.backend:<10} {mark} {each.seconds:6.1f} s  {each.seen}  (tried: {each.tried})")


_PASSED_ON = {"ignore_unknown_options": True}


@lab.command(context_settings=_PASSED_ON)
@name_option
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def apply(identity: str | None, options: tuple[str, ...]) -> None:
    """Run `sugar-deploy apply` on the lab's deployment; further options are passed on.

    \b
    Example:
      sugar-deploy lab apply
      sugar-deploy lab apply --resume -v
    """
    chosen = the_lab(identity)
    _become("apply", "-C", str(chosen.place.deployment), "--yes", *options)


@lab.command(context_settings=_PASSED_ON)
@name_option
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def verify(identity: str | None, options: tuple[str, ...]) -> None:
    """Run `sugar-deploy verify` from the lab's laptops; further options are passed on.

    \b
    Example:
      sugar-deploy lab verify
    """
    from sugar_deploy.lab.laptop import ready_laptop
    from sugar_deploy.lab.session import hosts
    from sugar_deploy.lab.steps import verify_words

    chosen = the_lab(identity)
    folder = Folder(chosen.place.deployment)
    for host in hosts(folder):
        click.echo(ready_laptop(chosen, host, folder), err=True)
    _become(*verify_words(chosen, folder), *options)


def _become(*words: str) -> NoReturn:
    """Go on as another command of ours, which takes every signal itself: it is never killed for being slow to end."""
    from sugar_deploy.lab.steps import own_argv

    argv = own_argv(*words)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(argv[0], argv)  # noqa: S606 - no shell is wanted
