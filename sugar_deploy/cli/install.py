"""`sugar-deploy install`: at the school, from a stick, without any network."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich.console import Console

from sugar_deploy.bundle.install import run, trust
from sugar_deploy.bundle.install.run import HANDED_OVER, Bundle, Wish
from sugar_deploy.bundle.install.server import Server
from sugar_deploy.bundle.install.take import Report
from sugar_deploy.cli.narrate import narrator
from sugar_deploy.cli.options import json_option, verbosity_options
from sugar_deploy.cli.progress import Progress, report
from sugar_deploy.cli.signals import ended_by_signals
from sugar_deploy.errors import UsageError
from sugar_deploy.run.job import Outcome

Say = Callable[[str], None]


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--school", metavar="SCHOOL", help="Which school this server is; remembered afterwards.")
@click.option("--fingerprint", metavar="FPR", help="Install only if the key with this fingerprint has signed it.")
@click.option("--set-clock", is_flag=True, help="Set the clock forward to the bundle's time, if it is behind that.")
@click.option("--allow-older", is_flag=True, help="Go back to an older bundle on purpose.")
@click.option("--yes", is_flag=True, help="Do not ask; the first time, trust whoever has signed the bundle.")
@json_option
@verbosity_options
def install(
    path: Path,
    school: str | None,
    fingerprint: str | None,
    set_clock: bool,
    allow_older: bool,
    yes: bool,
    as_json: bool,
    verbose: int,
    quiet: bool,
) -> int:
    """Install or upgrade this server from the bundle at PATH, with no network at all.

    \b
    Example:
      sugar-deploy install /media/stick
      sugar-deploy install /media/stick --school san-martin --yes
    """
    run.require_root()
    server = Server()
    wish = Wish(path, school, fingerprint, set_clock, allow_older)
    say = narrator(quiet=quiet, as_json=as_json)
    with ended_by_signals(), run.locked(server, path) as held:
        bundle = run.examine(server, wish)
        _confirm(bundle, yes=yes, as_json=as_json)
        say(f"Checking the bundle of {bundle.manifest.title}: {_turn(bundle)}, for {bundle.school}")
        taking = run.take(server, bundle, _percents(say))
        if program := run.newer_tool(server, bundle, taking):
            _hand_over(program, wish, bundle, yes=yes, as_json=as_json, verbose=verbose, quiet=quiet)
        say("Installing")
        console = Console(stderr=as_json, soft_wrap=True)
        with Progress(console, quiet=quiet) as progress:
            given = run.lay_out(server, bundle, taking)
            outcome = run.apply(server, given, progress, environment=dict(os.environ), held=held, verbosity=verbose)
    if as_json:
        click.echo(json.dumps(_as_dict(bundle) | outcome.as_dict(), indent=2))
    elif not quiet or outcome.exit_code:
        _print_end(console, outcome, bundle, path)
    return outcome.exit_code


def _turn(bundle: Bundle) -> str:
    number = f"number {bundle.manifest.serial}, snapshot {bundle.manifest.snapshot}"
    return number if bundle.has in {None, bundle.manifest.serial} else f"{number}, after number {bundle.has}"


def _confirm(bundle: Bundle, *, yes: bool, as_json: bool) -> None:
    """Ask whether the signer is the right one, the first time; without a terminal nobody is asked."""
    if yes:
        return
    who = "\n".join(f"  {trust.spoken(one)}" for one in bundle.proof.signers)
    if not sys.stdin.isatty():
        if bundle.proof.known:
            return
        raise UsageError(
            f"this server does not know yet who has signed the bundle:\n{who}",
            "Compare it with the fingerprint that you were told, then give it: --fingerprint FPR",
        )
    if not bundle.proof.known:
        click.echo(
            f"The deployment {bundle.manifest.deployment} is new to this server. Its bundle is signed by\n{who}"
        )
        click.confirm("Is that the fingerprint that you were told?", abort=True, err=as_json)
    click.confirm(f"Install {_turn(bundle)}, for {bundle.school}?", default=True, abort=True, err=as_json)


def _percents(say: Say) -> Report:
    """Says every tenth part of what is read; a line each, as on a slow stick it is minutes from one to the next."""
    said = 0

    def told(done: int, total: int) -> None:
        nonlocal said
        tenth = done * 10 // total if total else 10
        if tenth > said:
            said = tenth
            say(f"{tenth * 10} % of {-(-total // 1_000_000)} MB checked")

    return told


def _hand_over(
    program: Path, wish: Wish, bundle: Bundle, *, yes: bool, as_json: bool, verbose: int, quiet: bool
) -> None:
    """Go on as the bundle's own sugar-deploy, which has rendered its project."""
    argv = [str(program), "install", str(bundle.layout.root), "--school", bundle.school]
    # What was answered here is not asked again there.
    argv += ["--fingerprint", bundle.proof.signers[0], "--yes"]
    argv += [name for name, given in (("--allow-older", wish.allow_older), ("--json", as_json)) if given]
    argv += ["-v"] * verbose + ["-q"] * quiet
    sys.stdout.flush()
    os.execve(program, argv, dict(os.environ) | {HANDED_OVER: bundle.tool.name})  # noqa: S606


def _as_dict(bundle: Bundle) -> dict[str, object]:
    manifest = bundle.manifest
    return {"deployment": manifest.deployment, "school": bundle.school, "serial": manifest.serial}


def _print_end(console: Console, outcome: Outcome, bundle: Bundle, path: Path) -> None:
    report(console, outcome.hosts)
    if outcome.exit_code:
        for line in (
            f"\nThe installation was {outcome.status} after {outcome.seconds:.0f} s.",
            f"Log:    {outcome.run.log}",
            f"Replay: {outcome.command}",
            f"Then carry on with: sugar-deploy install {path}",
        ):
            console.print(line, markup=False, highlight=False)
        return
    console.print(
        f"\nInstalled in {outcome.seconds:.0f} s: {_turn(bundle)}. The stick can be pulled out.", highlight=False
    )
