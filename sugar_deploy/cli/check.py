"""`sugar-deploy check` and `sugar-deploy schema`: what the deployment file may hold, and whether it does."""

from __future__ import annotations

import json

import click

from sugar_deploy.cli.options import folder_option, json_option, verbosity_options
from sugar_deploy.folder import Folder


@click.command()
@folder_option
@json_option
@verbosity_options
def check(folder: Folder, as_json: bool, verbose: int, quiet: bool) -> int:
    """Report every fault in the deployment file and its CSVs.

    Exit status 0 if there is none, 2 if there are some: each as FILE:LINE:COLUMN: key: message. remedy
    What is no fault, and yet not what one may expect, is noted.

    \b
    Example:
      sugar-deploy check -C lima
      sugar-deploy check -C lima --json
    """
    from sugar_deploy.deployment.load import load_all
    from sugar_deploy.deployment.notes import notes

    loaded = load_all(folder)
    schools = len(loaded.deployment.schools)
    laptops = sum(len(found) for found in loaded.laptops.values())
    noted = list(notes(loaded.deployment))
    if as_json:
        found = {"valid": True, "name": loaded.deployment.name, "schools": schools, "laptops": laptops}
        click.echo(json.dumps({**found, "problems": [], "notes": noted}, indent=2))
    elif not quiet:
        for name, school in loaded.deployment.schools.items() if verbose else ():
            about = f"{school.scenario}, {school.role}, {school.server.address}"
            click.echo(f"{name}: {about}, {_counted(len(loaded.laptops.get(name, ())), 'laptop')}")
        counted = f"{_counted(schools, 'school')}, {_counted(laptops, 'laptop')}"
        click.echo(f"{folder.file}: valid: {loaded.deployment.title}, {counted}.")
        for note in noted:
            click.echo(f"Note: {note}")
    return 0


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number:,} {noun}s"


@click.command()
@verbosity_options
def schema(verbose: int, quiet: bool) -> int:
    """Print the JSON schema (2020-12) of the deployment file, for editors and other programs.

    \b
    Example:
      sugar-deploy schema > lima/deployment.schema.json
    and as the first line of lima/deployment.yml, for editors with a YAML language server:
      # yaml-language-server: $schema=deployment.schema.json
    """
    from sugar_deploy.deployment.reference import json_schema

    found = json_schema()
    if verbose and not quiet:
        sections = ", ".join(sorted(found.get("$defs", {})))
        click.echo(f"{found['$schema']}, with the sections {sections}", err=True)
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    return 0
