"""`sugar-deploy render`."""

from __future__ import annotations

import contextlib
import json
import shlex
from collections import Counter
from pathlib import Path

import click

from sugar_deploy.cli.options import folder_option, json_option, verbosity_options
from sugar_deploy.deployment.load import load
from sugar_deploy.folder import Folder
from sugar_deploy.garbage import collector_paused
from sugar_deploy.render.project import Rendered
from sugar_deploy.render.project import render as render_project
from sugar_deploy.run.lock import deployment_lock
from sugar_deploy.scenario.catalogue import package_catalogue
from sugar_deploy.scenario.plan import Plan
from sugar_deploy.scenario.resolve import resolve


@click.command()
@folder_option
@click.option(
    "-o",
    "--output",
    "out",
    metavar="OUT",
    type=click.Path(path_type=Path),
    help="Where to write the project; by default DIR/.sugar-deploy/rendered.",
)
@json_option
@verbosity_options
def render(folder: Folder, out: Path | None, as_json: bool, verbose: int, quiet: bool) -> None:
    """Write the Ansible project of the deployment, for `ansible-playbook` and for reading.

    The same deployment gives the same bytes. OUT is replaced as a whole; a folder that is not a rendered project is
    left alone.

    \b
    Example:
      sugar-deploy render -C lima -o /tmp/lima
      ANSIBLE_CONFIG=/tmp/lima/ansible.cfg ansible-playbook -i /tmp/lima/inventory /tmp/lima/site.yml --check
    """
    # The default place is what a running `apply` reads from.
    busy = contextlib.nullcontext() if out else deployment_lock(folder.lock, "render")
    with collector_paused():
        plan = resolve(load(folder), package_catalogue())
        with busy:
            rendered = render_project(plan, folder, out or folder.rendered)
    following = _next(plan, folder)
    if as_json:
        click.echo(json.dumps(_as_dict(plan, rendered, following), indent=2, ensure_ascii=False))
        return
    for host in plan.hosts if verbose and not quiet else ():
        click.echo(f"{host.name}: {', '.join(sorted(host.services))}; {len(host.packages)} packages")
    _print(plan, rendered, following, quiet=quiet)


def _next(plan: Plan, folder: Folder) -> str:
    """The command that follows: first contact as long as no server's host key is pinned."""
    pinned = folder.known_hosts.exists() and folder.known_hosts.stat().st_size > 0
    words = ["plan"] if pinned or not plan.hosts else ["host", "add", plan.hosts[0].name]
    return shlex.join(["sugar-deploy", *words, "-C", str(folder.root)])


def _scenarios(plan: Plan) -> dict[str, int]:
    return dict(sorted(Counter(host.school.scenario.value for host in plan.hosts).items()))


def _as_dict(plan: Plan, rendered: Rendered, following: str) -> dict[str, object]:
    return {
        "deployment": plan.deployment.name,
        "out": str(rendered.out),
        "schools": rendered.hosts,
        "scenarios": _scenarios(plan),
        "left_out": list(rendered.left_out),
        "next": following,
    }


def _print(plan: Plan, rendered: Rendered, following: str, *, quiet: bool) -> None:
    for name in rendered.left_out:
        click.echo(f"Left out: {name} (drop-ins end in .conf)", err=True)
    if quiet:
        return
    kinds = ", ".join(f"{count} {scenario}" for scenario, count in _scenarios(plan).items()) or "none yet"
    click.echo(f"{plan.deployment.name}: {rendered.hosts} {'school' if rendered.hosts == 1 else 'schools'} ({kinds})")
    click.echo(f"Rendered into {rendered.out}")
    click.echo(f"Next: {following}")
