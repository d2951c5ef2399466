"""`sugar-deploy demo`: the product's main job, end to end, on throw-away machines."""

from __future__ import annotations

import click

from sugar_deploy.cli.lab_options import backend_option, suite_option
from sugar_deploy.cli.lab_report import report
from sugar_deploy.cli.narrate import narrator
from sugar_deploy.cli.options import verbosity_options
from sugar_deploy.cli.signals import ended_by_signals
from sugar_deploy.folder import Folder


@click.command()
@suite_option
@backend_option
@verbosity_options
@ended_by_signals()
def demo(suite: str, backend: str, verbose: int, quiet: bool) -> int:
    """Bring an offline school server up in the lab and verify it from a laptop beside it.

    \b
    Boots two throw-away machines, a server and a laptop on its LAN, describes the school in a
    deployment file, applies it, checks every service from the laptop, looks at the server from
    the uplink's side, applies again to see that nothing changes, and clears everything away.

    \b
    Example:
      sugar-deploy demo
      sugar-deploy demo --suite trixie
    """
    from sugar_deploy.lab.session import bring_up
    from sugar_deploy.lab.trial import Trial

    say = narrator(quiet=quiet, as_json=False)
    say("An offline school server, from one file: a server and a laptop beside it, on a network of their own")
    lab = bring_up(scenario="offline-server", suite=suite, backend=backend, owned=True, say=say)
    try:
        trial = Trial(lab, Folder(lab.place.deployment), say)
        passed = trial.run()
    finally:
        lab.down()
    if not quiet or not passed:
        report(trial, verbose=verbose > 0)
    if passed and not quiet:
        click.echo(
            "\nThe machines are gone. For a school of your own: sugar-deploy init DIR --scenario offline-server"
        )
    return 0 if passed else 1
