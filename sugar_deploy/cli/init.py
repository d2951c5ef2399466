"""`sugar-deploy init`: a commented deployment.yml, ready to edit."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from sugar_deploy.cli.options import verbosity_options
from sugar_deploy.deployment.model import Scenario
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--scenario",
    type=click.Choice([each.value for each in Scenario]),
    required=True,
    help="How laptops are served.",
)
@click.option("--name", help="The deployment's short name; by default made from DIR's.")
@verbosity_options
def init(directory: Path, scenario: str, name: str | None, verbose: int, quiet: bool) -> int:
    """Write a commented deployment.yml, ready to edit. Nothing that exists is overwritten.

    \b
    Example:
      sugar-deploy init lima --scenario offline-server
      sugar-deploy init lima --scenario online-server --name peru
    """
    from sugar_deploy.deployment.start import start

    folder = Folder(directory)
    try:
        written = start(folder, Scenario(scenario), name)
    except OSError as error:
        place = error.filename or directory
        raise UsageError(f"cannot write {place}: {error.strerror}", "Choose another directory") from None
    if quiet:
        return 0
    for path in written:
        click.echo(f"Wrote {path}.")
    if verbose:
        click.echo(f"\n{folder.file.read_text(encoding='utf-8')}")
    if directory / ".gitignore" not in written:
        click.echo("Your .gitignore is left as it is: see that it names /.sugar-deploy/.")
    where = shlex.quote(str(directory))
    click.echo(f"\nNext, edit {folder.file}; then:")
    for command in ("check", "host add <school>", "plan", "apply", "verify"):
        click.echo(f"  sugar-deploy {command} -C {where}")
    return 0
