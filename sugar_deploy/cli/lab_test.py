"""`sugar-deploy lab test`: all of it tried on throw-away machines, which are cleared away."""

from __future__ import annotations

import json
from typing import Any

import click

from sugar_deploy.cli.lab_options import backend_option, memory_option, scenario_option, source_option, suite_option
from sugar_deploy.cli.lab_report import describe, report
from sugar_deploy.cli.narrate import narrator
from sugar_deploy.cli.options import json_option, verbosity_options
from sugar_deploy.cli.signals import ended_by_signals
from sugar_deploy.folder import Folder


@click.command()
@scenario_option
@source_option
@suite_option
@backend_option
@memory_option
@click.option("--offline", is_flag=True, help="Without any network: installed and upgraded from sticks.")
@click.option("--keep", is_flag=True, help="Leave the machines running, whatever the outcome.")
@json_option
@verbosity_options
@ended_by_signals()
def test(offline: bool, keep: bool, as_json: bool, verbose: int, quiet: bool, **choices: Any) -> int:
    """Boot, check, render, publish, apply, verify from the laptops and the uplink, apply again.

    \b
    With --offline the first school's server has no network at all. It is installed from a
    stick, upgraded from a second one that carries only what changed, and comes back from a
    third one whose upgrade is broken on purpose; wrong sticks are refused.

    \b
    Example:
      sugar-deploy lab test --scenario offline-server --suite trixie
      sugar-deploy lab test --scenario offline-server --offline
    """
    from sugar_deploy.lab.offline_trial import OfflineTrial
    from sugar_deploy.lab.session import bring_up
    from sugar_deploy.lab.trial import Trial

    say = narrator(quiet=quiet, as_json=as_json)
    chosen = bring_up(say=say, owned=not keep, offline=offline, **choices)
    try:
        folder = Folder(chosen.place.deployment)
        trial = OfflineTrial(chosen, folder, say) if offline else Trial(chosen, folder, say)
        passed = trial.run()
        if as_json:
            steps = [step.as_dict() for step in trial.steps]
            click.echo(json.dumps({"ok": passed, **describe(chosen), "steps": steps}, indent=2))
        elif not quiet or not passed:
            report(trial, verbose=verbose > 0)
        return 0 if passed else 1
    finally:
        if not keep:
            chosen.down()
