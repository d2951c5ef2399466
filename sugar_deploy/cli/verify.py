"""`sugar-deploy verify`: every service of every school, checked as a laptop would."""

from __future__ import annotations

import json
from pathlib import Path

import click

from sugar_deploy.cli.options import folder_option, json_option, limit_option, verbosity_options
from sugar_deploy.folder import Folder
from sugar_deploy.run.apply import Request, private_key, select
from sugar_deploy.run.load import LoadingVerifier
from sugar_deploy.run.prepare import resolved
from sugar_deploy.run.verify import ONLY_FROM_A_LAPTOP, SchoolReport, Verifier, parse_vantages

COLUMNS = 100


@click.command()
@folder_option
@limit_option
@click.option(
    "--from",
    "vantages",
    metavar="[SCHOOL=][USER@]HOST[:PORT]",
    multiple=True,
    help="A laptop on the school's LAN to look from, which has the package sugaroid; by default the server itself.",
)
@click.option("--private-key", "key", type=click.Path(path_type=Path, dir_okay=False, exists=True), help="SSH key.")
@click.option(
    "--load", "laptops", metavar="N", type=int, help="After the checks, let N laptops come as on a school morning."
)
@click.option("--seed", metavar="TEXT", default="verify", help="Which laptops --load lets come.")
@json_option
@verbosity_options
def verify(
    folder: Folder,
    limit: tuple[str, ...],
    vantages: tuple[str, ...],
    key: Path | None,
    laptops: int | None,
    seed: str,
    as_json: bool,
    verbose: int,
    quiet: bool,
) -> int:
    """Check every service of every school as a laptop would.

    \b
    Example:
      sugar-deploy verify -C lima
      sugar-deploy verify -C lima --from san-martin=root@172.18.96.40
      sugar-deploy verify -C lima --load 30
    """
    hosts = select(resolved(folder), limit)
    own = private_key(Request(folder, "verify", private_key=key))
    places = parse_vantages(vantages, [host.name for host in hosts])
    verifier = Verifier(folder, own, places)
    if laptops is not None:
        verifier = LoadingVerifier(folder, own, places, laptops, seed)

    def show(report: SchoolReport) -> None:
        if not as_json and not (quiet and report.ok):
            _show(report, verbose=verbose > 0)

    reports = verifier.schools(hosts, show)
    good = sum(report.ok for report in reports)
    if as_json:
        schools = {report.school: report.as_dict() for report in reports}
        click.echo(json.dumps({"ok": good == len(reports), "schools": schools}, indent=2))
    elif not quiet:
        click.echo(f"\n{good} of {len(reports)} schools serve their laptops as described.")
    return 0 if good == len(reports) else 1


def _show(report: SchoolReport, *, verbose: bool) -> None:
    click.secho(f"\n{report.school}", bold=True, nl=False)
    click.echo(f", seen from {report.vantage}")
    if report.error:
        click.echo(f"  {click.style('FAIL', fg='red')} {report.error}")
    for check in report.checks:
        mark = click.style("ok  ", fg="green") if check.ok else click.style("FAIL", fg="red")
        took = f" ({check.seconds:.1f} s)" if verbose else ""
        click.echo(f"  {mark} {check.service}: {check.check}{took}")
        for line in check.told(COLUMNS - 7):
            click.echo(f"       {line}")
    for name in report.not_tried:
        why = "needs --from, a laptop on the LAN"
        if name not in ONLY_FROM_A_LAPTOP:
            why = "a laptop that is only pretended may not register there"
        click.echo(f"  {click.style('--', fg='yellow')}   {name}: not tried: {why}")
