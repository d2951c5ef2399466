"""What the lab's commands print."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from sugar_deploy.lab.lab import Lab
    from sugar_deploy.lab.steps import Steps


def describe(machines: Lab) -> dict[str, Any]:
    """A lab, for scripts."""
    return {
        "lab": machines.place.identity,
        "suite": machines.suite,
        "backend": machines.backend,
        "deployment": str(machines.place.deployment),
        "key": str(machines.place.key),
        "known_hosts": str(machines.place.known_hosts),
        "machines": {
            name: {"port": each.port, "kind": each.spec.kind, "console": str(each.console)}
            for name, each in machines.machines.items()
        },
    }


def show(machines: Lab, *, verbose: bool = False) -> None:
    """A lab, and how to reach its machines."""
    identity = machines.place.identity
    click.echo(f"\nLab {identity}: {machines.suite}, {machines.backend}")
    for name, machine in machines.machines.items():
        click.echo(f"  {name:<24} {machine.spec.kind:<7} sugar-deploy lab shell {name} --lab {identity}")
        if verbose:
            click.echo(f"    SSH on 127.0.0.1 port {machine.port}; its console: {machine.console}")
    click.echo(f"Its deployment: {machines.place.deployment}")
    click.echo(f"Next: sugar-deploy lab apply --lab {identity}, lab verify, lab down")


# Steps of which each line is worth reading.
_SHOWN = {"verify from the laptops", "look from the uplink", "verify", "no network", "children register"}


def report(trial: Steps, *, verbose: bool = False) -> None:
    """What was tried and seen, step by step; verbose: each step's every line."""
    from sugar_deploy.lab.steps import DETAIL_COLUMNS

    click.echo()
    for step in trial.steps:
        mark = click.style("ok  ", fg="green") if step.ok else click.style("FAIL", fg="red")
        click.echo(f"{mark} {step.name:<24} {step.seconds:7.1f} s  {step.seen}")
        for line in step.details if verbose or step.name in _SHOWN else ():
            # What is wrapped already is left as it is.
            for part in [line] if len(line) <= DETAIL_COLUMNS else textwrap.wrap(line, DETAIL_COLUMNS):
                click.echo(f"       {part}")
    total = sum(step.seconds for step in trial.steps)
    good = all(step.ok for step in trial.steps)
    click.echo(f"\n{'All of it works' if good else 'It does not work'}: {total:.0f} s.")
