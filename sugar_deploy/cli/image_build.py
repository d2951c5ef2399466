"""`sugar-deploy image build` and `image list`: images composed from the deployment's repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sugar_deploy.cli.narrate import narrator
from sugar_deploy.cli.options import folder_option, json_option, verbosity_options
from sugar_deploy.folder import Folder

if TYPE_CHECKING:
    from sugar_deploy.image.models import Model


@click.command()
@click.option("--model", "name", metavar="MODEL", required=True, help="For which laptop; `image list` names all.")
@click.option("--suite", metavar="SUITE", help="The Debian release, where the model has several.")
@click.option(
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the image goes; DIR/images/MODEL by default.",
)
@folder_option
@json_option
@verbosity_options
def build(
    name: str, suite: str | None, output: Path | None, folder: Folder, as_json: bool, verbose: int, quiet: bool
) -> None:
    """Compose a model's image from the deployment's published repository.

    What is in overrides/image/ comes along: files/ is laid over the system, activities/*.xo are
    installed, animation/ is a theme of Plymouth, hooks/ are programs that are run with the system's folder.
    Stages whose inputs have not changed are not run again.

    \b
    Example:
      sugar-deploy repo publish -C lima
      sugar-deploy image build --model xo-1.5 -C lima
    """
    from sugar_deploy.image.compose import compose
    from sugar_deploy.image.models import read_model
    from sugar_deploy.run.prepare import resolved

    model = read_model(name)
    say = narrator(quiet=quiet, as_json=as_json)
    target = output or folder.root / "images" / model.name
    done = compose(folder, resolved(folder), model, target, say, suite=suite)
    if as_json:
        stages = [
            {"name": stage, "id": identity, "kept": kept, "seconds": round(seconds, 1)}
            for stage, identity, kept, seconds in done.stages
        ]
        click.echo(json.dumps({"folder": str(target), "snapshot": done.snapshot, "stages": stages}, indent=2))
    elif not quiet:
        for stage, identity, kept, seconds in done.stages if verbose else ():
            click.echo(f"  {stage:<12} {identity}  {'kept' if kept else f'{seconds:.0f} s'}")
        click.echo(f"{target}: the system of {model.title}, of snapshot {done.snapshot}")


@click.command(name="list")
@json_option
@verbosity_options
def models(as_json: bool, verbose: int, quiet: bool) -> None:
    """List the models: what runs on each, what you have to supply, what was proved and what was not.

    \b
    Example:
      sugar-deploy image list
      sugar-deploy image list --json
    """
    from sugar_deploy.image.models import models as all_models

    if as_json:
        shown = [model.model_dump(mode="json") for model in all_models()]
        click.echo(json.dumps(shown, indent=2))
        return
    for model in all_models():
        if quiet:
            click.echo(model.name)
        else:
            _show(model)


def _show(model: Model) -> None:
    click.echo(f"{model.name}: {model.title}, {model.architecture}, flashed as {model.flow}")
    for suite in model.suites:
        kernel = suite.kernel.package or "none of Debian's: supply your own"
        click.echo(f"  {suite.name}: kernel {kernel}: {suite.kernel.why}")
        click.echo(f"    programs: {suite.userland}")
    rows = (("you supply", model.firmware), ("proved", model.proved), ("not proved", model.unproved))
    for title, lines in rows:
        for line in lines:
            click.echo(f"  {title}: {line}")
