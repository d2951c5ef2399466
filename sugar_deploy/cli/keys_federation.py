"""`sugar-deploy keys federation`: certificates for the servers of federations."""

from __future__ import annotations

import click

from sugar_deploy.cli.options import folder_option, json_option, verbosity_options
from sugar_deploy.cli.repo_shown import print_json
from sugar_deploy.folder import Folder


@click.command()
@folder_option
@json_option
@verbosity_options
def federation(folder: Folder, as_json: bool, verbose: int, quiet: bool) -> None:
    """Give the servers of federations the certificates by which they know each other.

    \b
    The deployment's own authority for them is made at the first time. Who has a certificate that
    is right and lasts another year keeps it: run this again whenever a school has joined, and each
    year. Keys are kept with the deployment's secrets; see docs/presence.md.

    \b
    Example:
      sugar-deploy keys federation -C lima
    """
    from sugar_deploy.deployment.load import load
    from sugar_deploy.keys.federation import Authority, utc_now
    from sugar_deploy.keys.secrets import Secrets
    from sugar_deploy.render.federation import federated
    from sugar_deploy.scenario.resolve import resolve

    deployment = load(folder)
    domains = federated(resolve(deployment))
    authority = Authority(folder, Secrets(folder, deployment.name), deployment.name, utc_now())
    issued = authority.issue(domains) if domains else []
    if as_json:
        print_json([{"school": school, "domain": domains[school]} for school in issued])
    elif not quiet:
        for school in issued:
            click.echo(f"{school}: {domains[school]}, {folder.federation_certificate(school)}")
        click.echo(f"{len(issued)} of {len(domains)} servers of federations got a certificate")
        if issued:
            click.echo("Next: sugar-deploy apply")
