"""`sugar-deploy lab` on a lab that is up: reach its machines, apply to them, verify them."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, NoReturn

import click

from sugar_deploy.cli.options import verbosity_options, verbosity_words
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder

if TYPE_CHECKING:
    from sugar_deploy.lab.lab import Lab

name_option = click.option("--lab", "identity", metavar="LAB", help="Which lab, if there are several.")
_PASSED_ON = {"ignore_unknown_options": True}


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


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@name_option
@click.argument("machine")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
@verbosity_options
def shell(identity: str | None, machine: str, command: tuple[str, ...], verbose: int, quiet: bool) -> None:
    """Log in to a machine of the lab, or run one command there.

    \b
    Example:
      sugar-deploy lab shell san-martin
      sugar-deploy lab shell san-martin-laptop ip address
      sugar-deploy lab shell -v san-martin     ssh says how it gets there
    """
    machines = the_lab(identity).machines
    if machine not in machines:
        raise UsageError(f"The lab has no machine {machine}", f"It has: {', '.join(machines)}")
    ssh, *words = machines[machine].ssh_argv(tty=sys.stdin.isatty())
    command = command[1:] if command[:1] == ("--",) else command
    # First of all: of two levels of logging ssh takes the first.
    words = [*verbosity_words(verbose, quiet), *words, *(("--", shlex.join(command)) if command else ())]
    os.execvp(ssh, [ssh, *words])  # noqa: S606 - ssh takes over


@click.command("ssh-config")
@name_option
@verbosity_options
def ssh_config(identity: str | None, verbose: int, quiet: bool) -> None:
    """Print the lab's machines for ~/.ssh/config or `ssh -F`.

    \b
    Example:
      sugar-deploy lab ssh-config > lab.conf; ssh -F lab.conf san-martin
    """
    for name, machine in the_lab(identity).machines.items():
        if not quiet:
            console = f"; its console: {machine.console}" if verbose else ""
            click.echo(f"# The {machine.spec.kind} of {machine.spec.school}{console}")
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


@click.command(context_settings=_PASSED_ON)
@name_option
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@verbosity_options
def apply(identity: str | None, options: tuple[str, ...], verbose: int, quiet: bool) -> None:
    """Run `sugar-deploy apply` on the lab's deployment; further options are passed on.

    \b
    Example:
      sugar-deploy lab apply
      sugar-deploy lab apply --resume -v
    """
    chosen = the_lab(identity)
    _become("apply", "-C", str(chosen.place.deployment), "--yes", *verbosity_words(verbose, quiet), *options)


@click.command(context_settings=_PASSED_ON)
@name_option
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
@verbosity_options
def verify(identity: str | None, options: tuple[str, ...], verbose: int, quiet: bool) -> None:
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
        joined = ready_laptop(chosen, host, folder)
        if not quiet:
            click.echo(joined, err=True)
    _become(*verify_words(chosen, folder), *verbosity_words(verbose, quiet), *options)


def _become(*words: str) -> NoReturn:
    """Go on as another command of ours, which takes every signal itself: it is never killed for being slow to end."""
    from sugar_deploy.lab.steps import own_argv

    argv = own_argv(*words)
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(argv[0], argv)  # noqa: S606 - no shell is wanted
