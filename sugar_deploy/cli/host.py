"""`sugar-deploy host`: first contact with a server."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import click
import paramiko

from sugar_deploy.cli.options import folder_option, json_option, verbosity_options
from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.keys.secrets import Secrets
from sugar_deploy.remote.hostkeys import check_pinned, fingerprint, pin, shown_key
from sugar_deploy.remote.probe import Finding, examine, facts, sudo_password_works
from sugar_deploy.remote.session import LoginRefusedError, ensure_key, install_key, public_line, session
from sugar_deploy.run.apply import folder_key, select
from sugar_deploy.run.prepare import resolved
from sugar_deploy.scenario.plan import Host, Plan


@click.group()
def host() -> None:
    """First contact with a server: pin its key, install yours, probe it.

    \b
    Example:
      sugar-deploy host add san-martin -C lima
    """


def _find(folder: Folder, name: str) -> tuple[Plan, Host]:
    plan = resolved(folder)
    return plan, select(plan, (name,))[0]


def _interactive() -> bool:
    return sys.stdin.isatty()


def _pin(folder: Folder, target: Host, expected: str | None, *, yes: bool) -> None:
    shown = shown_key(target.connection)
    if check_pinned(folder.known_hosts, target.connection, shown):
        return
    seen = fingerprint(shown)
    click.echo(f"{target.name} shows the host key {seen} ({shown.get_name()}).", err=True)
    if expected is not None:
        if expected != seen:
            raise UsageError(
                f"{target.name} shows {seen}, not the expected {expected}",
                "Compare with `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` on the server itself",
            )
    elif not yes:
        if not _interactive():
            raise UsageError("nobody is there to be asked about the host key", "Say --fingerprint or --yes")
        click.confirm("Is that what the server's own screen shows?", abort=True, err=True)
    pin(folder.known_hosts, target.connection, shown)


def _password(target: Host, read_stdin: bool) -> str:
    if read_stdin:
        return sys.stdin.readline().rstrip("\n")
    if not _interactive():
        raise UsageError(
            f"the password of {target.connection.user} on {target.name} is needed, and nobody is there to type it",
            "Run this on a terminal, or give the password's line on standard input with --password-stdin",
        )
    password: str = click.prompt(f"Password of {target.connection.user} on {target.name}", hide_input=True, err=True)
    return password


def _show(target: Host, seen: dict[str, str], *, as_json: bool, verbose: int, quiet: bool) -> int:
    findings = examine(seen, _interfaces(target))
    if as_json:
        click.echo(json.dumps({"school": target.name, "findings": [asdict(found) for found in findings]}, indent=2))
    else:
        _print(findings, quiet=quiet)
        for name, value in sorted(seen.items()) if verbose else ():
            click.echo(f"     {name}: {value}")
    return 0 if all(found.ok for found in findings) else 1


def _print(findings: tuple[Finding, ...], *, quiet: bool) -> None:
    width = max(len(found.check) for found in findings)
    for found in findings:
        if quiet and found.ok:
            continue
        mark = click.style("ok  ", fg="green") if found.ok else click.style("FAIL", fg="red")
        click.echo(f"{mark} {found.check:<{width}}  {found.seen}{'. ' + found.remedy if found.remedy else ''}")


def _interfaces(target: Host) -> tuple[str, ...]:
    sides = (target.school.lan, target.school.uplink)
    return tuple(side.interface for side in sides if side)


def _become(
    client: paramiko.SSHClient, seen: dict[str, str], ask: Callable[[], str], store: Secrets, name: str
) -> None:
    """Where sudo asks for a password, keep one that it takes in the vault."""
    if seen.get("sudo") != "password":
        return
    kept = store.become_passwords().get(name)
    if kept is not None and sudo_password_works(client, kept):
        return
    password = ask()
    if not sudo_password_works(client, password):
        raise DeployError(
            f"sudo on {name} does not take that password",
            f"As root on the machine: adduser {seen['user']} sudo",
        )
    store.set_become_password(name, password)


@host.command()
@click.argument("school")
@folder_option
@click.option("--fingerprint", "expected", metavar="SHA256:…", help="The host key that the server must show.")
@click.option("--yes", is_flag=True, help="Trust the host key that the server shows now.")
@click.option("--private-key", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Your SSH key.")
@click.option("--password-stdin", is_flag=True, help="Read the password's line from standard input.")
@json_option
@verbosity_options
def add(
    school: str,
    folder: Folder,
    expected: str | None,
    yes: bool,
    private_key: Path | None,
    password_stdin: bool,
    as_json: bool,
    verbose: int,
    quiet: bool,
) -> int:
    """Pin a server's host key, install your key on it, and probe it.

    \b
    Example:
      sugar-deploy host add san-martin -C lima
      sugar-deploy host add san-martin --fingerprint SHA256:…
    """
    plan, target = _find(folder, school)
    _pin(folder, target, expected, yes=yes)
    key = private_key or folder_key(folder)
    line = public_line(key) if private_key else ensure_key(key, f"sugar-deploy {plan.deployment.name}")
    # One password serves the login and sudo, and is asked for once.
    ask = cache(lambda: _password(target, password_stdin))
    try:
        with session(target.connection, folder.known_hosts, key):
            pass
    except LoginRefusedError:
        with session(target.connection, folder.known_hosts, password=ask()) as client:
            install_key(client, line)
    with session(target.connection, folder.known_hosts, key) as client:
        seen = facts(client)
        _become(client, seen, ask, Secrets(folder, plan.deployment.name), target.name)
    code = _show(target, seen, as_json=as_json, verbose=verbose, quiet=quiet)
    if not as_json and not quiet and not code:
        click.echo(f"Next: sugar-deploy plan -C {folder.root} --limit {target.name}")
    return code


@host.command()
@click.argument("school")
@folder_option
@click.option("--private-key", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="Your SSH key.")
@json_option
@verbosity_options
def probe(school: str, folder: Folder, private_key: Path | None, **shown: Any) -> int:
    """Check that a known server is fit to be a school server.

    \b
    Example:
      sugar-deploy host probe san-martin -C lima
    """
    _plan, target = _find(folder, school)
    if not check_pinned(folder.known_hosts, target.connection, shown_key(target.connection)):
        raise UsageError(f"{school} is new to this deployment", f"First: sugar-deploy host add {school}")
    key = private_key or (folder_key(folder) if folder_key(folder).exists() else None)
    with session(target.connection, folder.known_hosts, key) as client:
        return _show(target, facts(client), **shown)
