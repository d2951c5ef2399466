"""`sugar-deploy keys authority`: by which the deployment's servers prove who they are."""

from __future__ import annotations

import click

from sugar_deploy.cli.options import folder_option, json_option, verbosity_options
from sugar_deploy.cli.repo_shown import print_json
from sugar_deploy.folder import Folder


@click.command()
@folder_option
@json_option
@verbosity_options
def authority(folder: Folder, as_json: bool, verbose: int, quiet: bool) -> None:
    """Have an authority of the deployment's own, for the certificates of its servers.

    \b
    From then on `apply` gives each school's server a certificate of it, for the key that the server
    has made for itself, and renews it in time; `verify` sees that it is right. Servers of a
    federation know each other by it. It is made once, and lasts 20 years. Its certificate is
    authority.crt in the deployment's folder; its key is with the secrets. See docs/presence.md.

    \b
    Example:
      sugar-deploy keys authority -C lima
    """
    from sugar_deploy.deployment.load import load
    from sugar_deploy.keys.authority import Authority, utc_now
    from sugar_deploy.keys.secrets import Secrets

    name = load(folder).name
    own = Authority(folder, Secrets(folder, name), name, utc_now())
    is_new = own.make()
    until = own.ends().date().isoformat()
    if as_json:
        print_json({"certificate": str(folder.authority), "made": is_new, "until": until})
    elif not quiet:
        click.echo(f"{folder.authority}: {'made' if is_new else 'there already'}, valid until {until}")
        if is_new:
            click.echo("Next: sugar-deploy apply")
