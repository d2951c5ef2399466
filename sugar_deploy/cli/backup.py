"""`sugar-deploy backup` and `sugar-deploy restore`: a school's whole server, saved and brought onto new hardware."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from sugar_deploy.cli.apply import key_option
from sugar_deploy.cli.options import folder_option, json_option, limit_option, verbosity_options
from sugar_deploy.cli.progress import Progress, report
from sugar_deploy.cli.signals import ended_by_signals
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.render.project import render
from sugar_deploy.run.apply import Request, locked, select
from sugar_deploy.run.copies import Restoring, SchoolBackup, back_up, bring_back, latest_backup, require_backup
from sugar_deploy.run.job import Outcome
from sugar_deploy.run.prepare import prepare, resolved
from sugar_deploy.scenario.plan import Plan


@click.command()
@click.argument("schools", metavar="[SCHOOL]...", nargs=-1)
@folder_option
@limit_option
@click.option(
    "--to",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where backups are kept, as a stick with ext4; by default backups/ in the deployment's folder.",
)
@click.option("--check", is_flag=True, help="Compare every byte, not only sizes and times; mends a damaged copy.")
@key_option
@json_option
@verbosity_options
def backup(
    schools: tuple[str, ...],
    folder: Folder,
    limit: tuple[str, ...],
    to: Path | None,
    check: bool,
    private_key: Path | None,
    as_json: bool,
    verbose: int,
    quiet: bool,
) -> int:
    """Save what only the schools' servers know: registrations, Journals, accounts, keys, activities.

    Services go on meanwhile. What is saved already does not travel again, and a backup that was cut off goes on.

    \b
    Example:
      sugar-deploy backup -C lima                             every school, to lima/backups
      sugar-deploy backup -C lima san-martin --to /media/stick
    """
    request = Request(folder, "backup", (*schools, *limit), private_key=private_key, verbosity=verbose)
    target = to or folder.backups
    console = Console(stderr=True, soft_wrap=True) if as_json else Console(soft_wrap=True)
    with ended_by_signals(), locked(request) as held:
        plan = resolved(folder)
        hosts = select(plan, request.limit)
        render(plan, folder, folder.rendered)
        with Progress(console, quiet=quiet) as progress:
            outcome = back_up(request, plan, progress, to=target, check=check, held=held)
    saved = [
        latest_backup(target, host.name) for host in hosts if outcome.hosts[host.name].status in {"ok", "changed"}
    ]
    kept = {one.school: one for one in saved if one}
    if as_json:
        backups = {school: one.as_dict() for school, one in kept.items()}
        click.echo(json.dumps(outcome.as_dict() | {"backups": backups}, indent=2))
    elif not quiet or outcome.exit_code:
        report(console, outcome.hosts)
        again = _again(request, *_given(to=to, check=check, private_key=private_key))
        _show(console, outcome, tuple(kept.values()), again)
    return outcome.exit_code


def _show(console: Console, outcome: Outcome, kept: tuple[SchoolBackup, ...], again: str) -> None:
    lines = [""]
    for one in kept:
        lines.append(f"{one.school}: {one.files} files, {one.size / 1e6:.1f} MB, {one.date}: {one.folder}")
    lines += _warnings(outcome)
    if outcome.exit_code:
        lines += _failure(outcome)
        lines.append(f"What is saved stays. {again}")
    else:
        lines.append(f"Saved in {outcome.seconds:.0f} s.")
    _print(console, lines)


@click.command()
@click.argument("school")
@folder_option
@click.option(
    "--from",
    "source",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Where `backup` kept it; by default backups/ in the deployment's folder.",
)
@click.option("--date", default="", metavar="DATE", help="An earlier state than the latest, as its file is named.")
@click.option("--replace", is_flag=True, help="Move what the server has of its own aside.")
@click.option("--damaged-too", is_flag=True, help="Restore although files of the backup are damaged.")
@click.option("--yes", is_flag=True, help="Do not ask before replacing anything.")
@key_option
@json_option
@verbosity_options
def restore(
    school: str,
    folder: Folder,
    source: Path | None,
    yes: bool,
    private_key: Path | None,
    as_json: bool,
    verbose: int,
    quiet: bool,
    **allowed: Any,
) -> int:
    """Bring a school's backup onto its new server, which has been applied, and apply again.

    The whole backup is proved before the server is touched. A restore that was cut off goes on when it is run again.

    \b
    Example:
      sugar-deploy apply -C lima --limit san-martin --yes     the new hardware
      sugar-deploy restore -C lima san-martin
    """
    request = Request(folder, "restore", (school,), private_key=private_key, verbosity=verbose)
    wanted = Restoring(source or folder.backups, **allowed)
    console = Console(stderr=True, soft_wrap=True) if as_json else Console(soft_wrap=True)
    if wanted.replace and not yes:
        _confirm(school, as_json=as_json)

    def check(plan: Plan) -> None:
        select(plan, request.limit)
        require_backup(wanted.source, school)

    say = (lambda _text: None) if quiet else (lambda text: console.print(text, markup=False, highlight=False))
    with ended_by_signals(), locked(request) as held:
        plan = prepare(folder, say, check)
        with Progress(console, quiet=quiet) as progress:
            outcome = bring_back(request, plan, progress, wanted, held=held)
    if as_json:
        click.echo(json.dumps(outcome.as_dict(), indent=2))
    elif not quiet or outcome.exit_code:
        report(console, outcome.hosts)
        # Said again to a server that has been restored, --replace would drop what was moved aside the first time.
        options = {**allowed, "from": source, "private_key": private_key, "replace": False}
        again = _again(request, *_given(**options))
        done = f"Restored in {outcome.seconds:.0f} s.\nNext: sugar-deploy verify -C {folder.root} --limit {school}"
        _print(console, ["", *_warnings(outcome), *([*_failure(outcome), again] if outcome.exit_code else [done])])
    return outcome.exit_code


def _confirm(school: str, *, as_json: bool) -> None:
    if not sys.stdin.isatty():
        raise UsageError("--replace replaces a server's data and nobody is there to be asked", "Say --yes")
    click.confirm(f"Move what the server of {school} has aside, and restore?", abort=True, err=as_json)


def _again(request: Request, *options: str) -> str:
    """The same command: without its options it would go on in another folder, or be refused."""
    words = ("sugar-deploy", request.verb, "-C", str(request.folder.root), *request.limit, *options)
    return f"To go on from there: {shlex.join(words)}"


def _given(**options: Any) -> list[str]:
    """The options as they were given; flags are true."""
    flags = {f"--{name.replace('_', '-')}": value for name, value in options.items() if value}
    return [word for flag, value in flags.items() for word in ([flag] if value is True else [flag, str(value)])]


def _warnings(outcome: Outcome) -> list[str]:
    return [f"{name}: {text}" for name, host in sorted(outcome.hosts.items()) for text in host.warnings]


def _failure(outcome: Outcome) -> list[str]:
    return [
        f"The run was {outcome.status} after {outcome.seconds:.0f} s.",
        f"Log:    {outcome.run.log}",
        f"Replay: {outcome.command}",
    ]


def _print(console: Console, lines: list[str]) -> None:
    for line in lines:
        console.print(line, markup=False, highlight=False)
