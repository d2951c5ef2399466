"""`sugar-deploy password`: a new password for a school's teacher."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sugar_deploy.cli.options import folder_option, json_option, verbosity_options
from sugar_deploy.folder import Folder
from sugar_deploy.keys.secrets import Secrets
from sugar_deploy.run.apply import Request, private_key, select
from sugar_deploy.run.prepare import resolved
from sugar_deploy.run.teacher import new_password


@click.command()
@click.argument("school")
@folder_option
@click.option("--private-key", "key", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="SSH key.")
@json_option
@verbosity_options
def password(school: str, folder: Folder, key: Path | None, as_json: bool, verbose: int, quiet: bool) -> int:
    """Make a new password for the teacher's pages of a school, and show it, this once.

    The server keeps only its hash. The one before is no longer valid, and who is logged in is logged out.

    \b
    Example:
      sugar-deploy password san-martin -C lima
    """
    plan = resolved(folder)
    (host,) = select(plan, (school,))
    secrets = Secrets(folder, plan.deployment.name)
    made = new_password(folder, host, private_key(Request(folder, private_key=key)), secrets)
    if as_json:
        click.echo(json.dumps({"school": host.name, "password": made}, indent=2))
        return 0
    click.echo(made)
    if not quiet:
        click.echo(f"Write it down for the teacher of {host.title}: it is shown this once.", err=True)
        click.echo(f"It is for http://{host.fqdn}/login, in the school.", err=True)
    if verbose:
        click.echo("Who was logged in there is not any more.", err=True)
    return 0
