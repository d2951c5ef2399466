"""`sugar-deploy first-start`: a laptop becomes the server that its image says, without a stick or any network."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.console import Console

from sugar_deploy.bundle.install import first, run
from sugar_deploy.bundle.install.run import Given
from sugar_deploy.bundle.install.server import Server
from sugar_deploy.cli.narrate import narrator
from sugar_deploy.cli.options import verbosity_options
from sugar_deploy.cli.progress import Progress, report
from sugar_deploy.cli.signals import ended_by_signals
from sugar_deploy.run.job import Outcome


@click.command(name="first-start")
@click.option(
    "--carry",
    metavar="FOLDER",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="While an image is composed: have it carry what is in this folder of a bundle.",
)
@verbosity_options
def first_start(carry: Path | None, verbose: int, quiet: bool) -> int:
    """Make this laptop the class's server that its image is for, as `install` does from a stick.

    Its first start does this by itself (sugar-deploy-first-start.service), and each one until it has succeeded.

    \b
    Example:
      sugar-deploy first-start
    """
    run.require_root()
    server = Server()
    if carry:
        first.carry(server, carry)
        return 0
    say = narrator(quiet=quiet, as_json=False)
    with ended_by_signals(), run.locked(server, server.first) as held:
        given = first.lay_out(server)
        say(f"This laptop becomes the server of {given.school} ({given.manifest.title}). This takes some minutes")
        console = Console(soft_wrap=True)
        with Progress(console, quiet=quiet) as progress:
            outcome = run.apply(server, given, progress, environment=dict(os.environ), held=held, verbosity=verbose)
    if not quiet or outcome.exit_code:
        report(console, outcome.hosts)
        click.echo(_end(given, outcome))
    return outcome.exit_code


def _end(given: Given, outcome: Outcome) -> str:
    after = f"after {outcome.seconds:.0f} s"
    if outcome.exit_code:
        return (
            f"This laptop is not a server yet: {outcome.status} {after}; log: {outcome.run.log}\n"
            "It is tried again at the next start, or now: sugar-deploy first-start"
        )
    return f"This laptop is the server of {given.school}, {after}"
