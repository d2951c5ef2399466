"""`sugar-deploy plan` and `sugar-deploy apply`."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from sugar_deploy.cli.options import folder_option, json_option, limit_option, verbosity_options
from sugar_deploy.cli.progress import Progress, report
from sugar_deploy.cli.signals import ended_by_signals
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.run.apply import Request, environment, locked, run_playbook, select
from sugar_deploy.run.job import Outcome
from sugar_deploy.run.prepare import prepare

key_option = click.option(
    "--private-key",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="SSH private key; by default the deployment's own, else what ssh finds.",
)
local_option = click.option("--local", is_flag=True, help="Apply to this very machine, without SSH.")


def _consoles(*, as_json: bool) -> tuple[Console, Console]:
    """For results and for progress: with --json, standard output holds nothing but the JSON."""
    out = Console(soft_wrap=True)
    return out, Console(stderr=True, soft_wrap=True) if as_json else out


def _execute(request: Request, *, quiet: bool, as_json: bool) -> Outcome:
    _, console = _consoles(as_json=as_json)
    say = (lambda _text: None) if quiet else (lambda text: console.print(text, markup=False, highlight=False))
    with ended_by_signals(), locked(request) as held:
        plan = prepare(request.folder, say, lambda plan: select(plan, request.limit))
        with Progress(console, quiet=quiet) as progress:
            return run_playbook(request, plan, progress, environment=environment(), held=held)


def _print_changes(console: Console, outcome: Outcome, *, with_diffs: bool) -> None:
    for name, host in sorted(outcome.hosts.items()):
        for change in host.changes:
            phase = f"{change['phase']}: " if change.get("phase") else ""
            console.print(f"{name}: {phase}{change['task']}", markup=False, highlight=False)
            if with_diffs and change.get("diff"):
                console.print(str(change["diff"]).rstrip(), markup=False, highlight=False)


@click.command()
@folder_option
@limit_option
@local_option
@key_option
@json_option
@verbosity_options
def plan(folder: Folder, as_json: bool, verbose: int, quiet: bool, **options: Any) -> int:
    """Show what `apply` would change, host by host, without changing it.

    \b
    Example:
      sugar-deploy plan -C lima --limit san-martin -v      with the differences
    """
    request = Request(folder, "plan", verbosity=max(0, verbose - 1), **options)
    outcome = _execute(request, quiet=quiet, as_json=as_json)
    out, _ = _consoles(as_json=as_json)
    if as_json:
        click.echo(json.dumps(outcome.as_dict(), indent=2))
        return outcome.exit_code
    if quiet and not outcome.exit_code:
        return 0
    if not quiet:
        _print_changes(out, outcome, with_diffs=verbose > 0)
    report(out, outcome.hosts)
    changes = sum(host.changed for host in outcome.hosts.values())
    if outcome.status == "done":
        out.print(f"\n{changes} changes. Next: sugar-deploy apply -C {folder.root}", highlight=False)
    else:
        _print_failure(out, outcome)
    return outcome.exit_code


@click.command()
@folder_option
@limit_option
@click.option("--yes", is_flag=True, help="Do not ask before changing anything.")
@local_option
@click.option("--resume", is_flag=True, help="Carry on after an interrupted run; what it completed is left out.")
@key_option
@json_option
@verbosity_options
def apply(folder: Folder, yes: bool, resume: bool, as_json: bool, verbose: int, quiet: bool, **options: Any) -> int:
    """Bring servers to their described state.

    \b
    Example:
      sugar-deploy apply -C lima                    shows what will change, asks, applies
      sugar-deploy apply -C lima --yes --resume     carries on after a cut connection
    """
    request = Request(folder, "apply", resume=resume, verbosity=verbose, **options)
    if not yes and (failed := _confirm(request, quiet=quiet, as_json=as_json)):
        return failed
    outcome = _execute(request, quiet=quiet, as_json=as_json)
    if as_json:
        click.echo(json.dumps(outcome.as_dict(), indent=2))
        return outcome.exit_code
    out, _ = _consoles(as_json=False)
    if not quiet or outcome.exit_code:
        report(out, outcome.hosts)
        _print_end(out, outcome, folder)
    return outcome.exit_code


def _confirm(request: Request, *, quiet: bool, as_json: bool) -> int:
    """Show what will change and ask; 0, or the exit status of a preview that failed, after which nobody is asked."""
    if not sys.stdin.isatty():
        raise UsageError("apply changes servers and nobody is there to be asked", "Say --yes")
    preview = Request(request.folder, "plan", request.limit, request.local, private_key=request.private_key)
    outcome = _execute(preview, quiet=quiet, as_json=as_json)
    if outcome.status == "interrupted":
        raise click.Abort
    _, out = _consoles(as_json=as_json)
    _print_changes(out, outcome, with_diffs=False)
    report(out, outcome.hosts)
    if outcome.exit_code:
        # A preview that failed shows only a part of what would change, so that a "yes" would be to what nobody has
        # seen. An apply could mend some of its reasons, as a service that is broken now: --yes is there for that.
        _print_failure(out, outcome)
        out.print("Nothing was changed. Mend it, leave schools out with --limit, or apply unseen with --yes.")
        if as_json:
            click.echo(json.dumps(outcome.as_dict(), indent=2))
        return outcome.exit_code
    click.confirm("Apply?", abort=True, err=as_json)
    return 0


def _print_end(out: Console, outcome: Outcome, folder: Folder) -> None:
    if outcome.exit_code:
        _print_failure(out, outcome)
        out.print(f"Then carry on with: sugar-deploy apply -C {folder.root} --resume", highlight=False)
    else:
        packages = f", packages of snapshot {outcome.snapshot}" if outcome.snapshot else ""
        out.print(f"\nApplied in {outcome.seconds:.0f} s{packages}.", highlight=False)
        out.print(f"Next: sugar-deploy verify -C {folder.root}", highlight=False)


def _print_failure(out: Console, outcome: Outcome) -> None:
    for line in (
        f"\nThe run was {outcome.status} after {outcome.seconds:.0f} s.",
        f"Log:    {outcome.run.log}",
        f"Replay: {outcome.command}",
    ):
        out.print(line, markup=False, highlight=False)
