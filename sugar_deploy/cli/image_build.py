"""`sugar-deploy image build` and `image list`: images composed from the deployment's repository."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sugar_deploy.cli.image_progress import blocks_shown
from sugar_deploy.cli.image_signing import output_options, signer
from sugar_deploy.cli.keys_options import Asked
from sugar_deploy.cli.narrate import narrator
from sugar_deploy.cli.options import json_option, verbosity_options
from sugar_deploy.errors import UsageError

if TYPE_CHECKING:
    from sugar_deploy.image.build import Built
    from sugar_deploy.image.compose.server import ClassServer
    from sugar_deploy.image.compose.source import Source
    from sugar_deploy.image.models import Model, NandFilesystem
    from sugar_deploy.scenario.plan import Plan


@click.command()
@click.option("--model", "model_name", metavar="MODEL", required=True, help="For which; `image list` names all.")
@click.option("--suite", metavar="SUITE", help="The Debian release, where the model has several.")
@click.option(
    "--output",
    metavar="FOLDER",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where all of it goes; DIR/images/MODEL by default.",
)
@click.option(
    "--from",
    "stick",
    metavar="STICK",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Compose of what a stick carries, of `repo bundle --images`; no network is needed.",
)
@click.option("--school", metavar="SCHOOL", help="Whose server the laptop becomes, where laptops serve several.")
@click.option("--compose-only", is_flag=True, help="Only compose the system: `image output` makes the rest of it.")
@json_option
@output_options
def build(
    model_name: str,
    suite: str | None,
    output: Path | None,
    stick: Path | None,
    school: str | None,
    compose_only: bool,
    as_json: bool,
    size: str | None,
    name: str | None,
    filesystem: NandFilesystem | None,
    unsigned: bool,
    asked: Asked,
) -> None:
    """Make all that a model needs, of the deployment's published repository.

    FOLDER/system is the composed system, FOLDER/output what the firmware flashes, signed by the deployment's keys
    `os` and `fs`, and FOLDER/stick.img, with its .bmap, a USB stick that flashes it. All of it is verified.

    What is in overrides/image/ comes along: files/ is laid over the system, activities/*.xo are
    installed, animation/ is a theme of Plymouth, hooks/ are programs that are run with the system's folder.
    Stages whose inputs have not changed are not run again. Where deployment.yml names the model under
    `images:`, and the repository is complete, nothing is asked of a mirror.

    With `images: {server: true}` the laptop is its class's server after its first start, without a network: with the
    settings of the only school of the scenario peer-server, or of SCHOOL. Flash one laptop of each class with it.

    \b
    Example:
      sugar-deploy repo publish -C lima
      sugar-deploy keys create -C lima
      sugar-deploy image build --model xo-1.5 -C lima
      sugar-deploy image build --model xo-4 --size 8gb --unsigned -C lima
      sugar-deploy image build --model xo-4 --from /media/stick -C lima
    """
    from sugar_deploy.image.build import Finish
    from sugar_deploy.image.build import build as build_image
    from sugar_deploy.image.models import read_model
    from sugar_deploy.run.prepare import resolved

    model = read_model(model_name)
    plan = resolved(asked.folder)
    source = _carried(stick, asked, plan) if stick else None
    signs = None if compose_only else signer(asked, model, unsigned=unsigned)
    say = narrator(quiet=asked.quiet, as_json=as_json)
    target = output or asked.folder.root / "images" / model.name
    with blocks_shown(model.title, shown=not asked.quiet and not as_json) as progress:
        finish = None if compose_only else Finish(size, name, filesystem, signs, progress)
        server = _server(asked, plan, model, suite, school, say, is_carried=stick is not None)
        done = build_image(
            asked.folder, plan, model, target, say, suite=suite, source=source, server=server, finish=finish
        )
    if as_json:
        click.echo(json.dumps(_as_dict(done), indent=2))
    else:
        _tell(done, model, asked, is_signed=signs is not None)


def _carried(stick: Path, asked: Asked, plan: Plan) -> Source:
    from sugar_deploy.bundle.image_source import image_source

    return image_source(stick, asked.folder, plan.deployment.name)


def _server(
    asked: Asked,
    plan: Plan,
    model: Model,
    suite: str | None,
    school: str | None,
    say: Callable[[str], None],
    *,
    is_carried: bool,
) -> AbstractContextManager[ClassServer | None]:
    """What the image carries where its laptop is to serve a class."""
    from sugar_deploy.bundle.image_server import class_server, peer_school
    from sugar_deploy.image.compose.recipe import recipe_of

    if not plan.deployment.images.server:
        if school:
            raise UsageError("images of this deployment make no servers", "Write `server: true` under images:")
        return nullcontext()
    if is_carried:
        raise UsageError(
            "an image with a server is composed where its repository is published, not of a stick",
            "Leave --from out there, or delete `server: true` under images:",
        )
    system = recipe_of(asked.folder, plan, model, suite).system()
    return class_server(asked.folder, plan, peer_school(plan, school), system, say)


def _as_dict(done: Built) -> dict[str, object]:
    stages = [
        {"name": stage, "id": identity, "kept": kept, "seconds": round(seconds, 1)}
        for stage, identity, kept, seconds in done.composed.made.stages
    ]
    return {
        "folder": str(done.composed.folder),
        "snapshot": done.composed.snapshot,
        "stages": stages,
        "output": done.output and str(done.output),
        "stick": done.stick and str(done.stick),
        "seconds": {name: round(seconds, 1) for name, seconds in done.seconds.items()},
        "warnings": done.warnings,
    }


def _tell(done: Built, model: Model, asked: Asked, *, is_signed: bool) -> None:
    for warning in done.warnings:
        click.echo(f"warning: {warning}", err=True)
    mark = asked.mark if is_signed else ""
    asked.tell(f"{done.composed.folder}: the system of {model.title}, of snapshot {done.composed.snapshot}")
    for file in sorted(done.output.iterdir()) if done.output else ():
        asked.tell(f"{file}: {file.stat().st_size / 2**20:.1f} MiB{mark}")
    if done.stick:
        asked.tell(f"{done.stick}: a USB stick that flashes it{mark}")
    asked.tell("; ".join(f"{name} {seconds:.0f} s" for name, seconds in done.seconds.items()))


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
