"""`sugar-deploy repo bundle`: the offline stick."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console

from sugar_deploy import __version__
from sugar_deploy.cli.narrate import narrator
from sugar_deploy.cli.options import folder_option, json_option, verbosity_options
from sugar_deploy.cli.repo_shown import goes_back
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder

if TYPE_CHECKING:
    from sugar_deploy.bundle.assemble import Assembled
    from sugar_deploy.bundle.write import Written

F = TypeVar("F", bound=Callable[..., Any])
KINDS = ("auto", "fat32", "exfat", "ext4")


def _many(name: str, text: str) -> Callable[[F], F]:
    return click.option(f"--{name}", metavar=name.upper(), multiple=True, help=f"{text} (repeatable; commas too).")


@click.command()
@click.argument("target", type=click.Path(path_type=Path))
@folder_option
@_many("school", "Only this school; by default those without the Internet, or all if every one has it")
@_many("suite", "Only this Debian release")
@_many("architecture", "Only this architecture")
@click.option("--images", is_flag=True, help="Also carry what images are composed of, for `image build --from`.")
@click.option("--since", metavar="SNAPSHOT", help="Leave out the packages that this former snapshot had.")
@click.option("--capacity", metavar="SIZE", help="Fit a stick of this size, as 16G; by default what is free.")
@click.option("--filesystem", type=click.Choice(KINDS), default="auto", help="Whose limits to keep.")
@click.option("--verify", "only_verify", is_flag=True, help="Write nothing: prove what is on the stick.")
@json_option
@verbosity_options
def bundle(
    target: Path, folder: Folder, only_verify: bool, as_json: bool, verbose: int, quiet: bool, **options: Any
) -> int:
    """Write all that a school without the Internet needs onto a stick.

    \b
    TARGET is where the stick is mounted, or a folder whose content you copy to one.
    Repository, settings and sugar-deploy itself go to TARGET/sugar-deploy; other things
    on the stick stay. Interrupted, or the stick taken away: run it again, it carries on.

    \b
    Example:
      sugar-deploy repo bundle /media/stick -C lima
      sugar-deploy repo bundle /media/stick -C lima --since 3f2a9c51d07e     only what changed
      sugar-deploy repo bundle ./stick -C lima --capacity 16G --filesystem fat32
      sugar-deploy repo bundle /media/stick -C lima --images     to make images where there is no Internet
      sugar-deploy repo bundle --verify /media/stick -C lima
    """
    console = Console(stderr=as_json, soft_wrap=True)
    if only_verify:
        return _verify(target, folder, console, as_json=as_json, quiet=quiet)
    from sugar_deploy.cli.signals import ended_by_signals

    with ended_by_signals():
        return _write(target, folder, console, options, as_json=as_json, verbose=verbose, quiet=quiet)


def _write(
    target: Path,
    folder: Folder,
    console: Console,
    options: dict[str, Any],
    *,
    as_json: bool,
    verbose: int,
    quiet: bool,
) -> int:
    from sugar_deploy.bundle.assemble import Wish, assembled
    from sugar_deploy.bundle.capacity import human
    from sugar_deploy.bundle.layout import Layout
    from sugar_deploy.bundle.place import place
    from sugar_deploy.bundle.write import write
    from sugar_deploy.cli.moving import Moving
    from sugar_deploy.run.lock import deployment_lock

    started = time.monotonic()
    say = narrator(quiet=quiet, as_json=as_json)
    layout = Layout(target)
    wish = Wish(options["school"], options["suite"], options["architecture"], options["since"], options["images"])
    filesystem = place(layout, options["filesystem"], options["capacity"])
    where = f" on {filesystem.device}, mounted at {filesystem.mount}" if filesystem.mount else ""
    say(f"{target}: {filesystem.kind}{where}; {human(filesystem.free)} for the bundle")
    with (
        deployment_lock(folder.lock, f"bundle to {target}"),
        assembled(folder, wish, filesystem, say) as ready,
        Moving(console, quiet=quiet) as moving,
    ):
        for part in ready.fit.left_out:
            say(f"Left out, because there is no room for it: {part}")
        if verbose:
            _print_parts(ready, say)
        done = write(ready.bundle, layout, moving)
    result = _Result(ready, done, target, filesystem.kind, time.monotonic() - started)
    if as_json:
        click.echo(json.dumps(result.as_dict(), indent=2))
    elif not quiet:
        click.echo(result.sentence())
        if back := goes_back(result.ready.manifest.serial, result.ready.newest):
            click.echo(back)
        click.echo("You can take the stick out once it is unmounted. At the school, as root: sh install.sh")
    return 0


@dataclass(frozen=True)
class _Result:
    """What was written, for people and for scripts."""

    ready: Assembled
    done: Written
    target: Path
    filesystem: str
    seconds: float

    def sentence(self) -> str:
        """For people."""
        from sugar_deploy.bundle.capacity import human

        manifest = self.ready.manifest
        return (
            f"Snapshot {manifest.snapshot} (number {manifest.serial}, {manifest.kind}) is on {self.target}: "
            f"{len(manifest.files)} files, {human(manifest.size)}; {self.done.written} written, "
            f"{self.done.kept} there already, all read back, in {self.seconds:.0f} s"
        )

    def as_dict(self) -> dict[str, object]:
        """For --json."""
        manifest = self.ready.manifest
        return {
            "target": str(self.target),
            "kind": manifest.kind,
            "snapshot": manifest.snapshot,
            "serial": manifest.serial,
            "newest_serial": self.ready.newest,
            "since": manifest.since.snapshot if manifest.since else None,
            "schools": list(manifest.schools),
            "suites": list(manifest.suites),
            "architectures": list(manifest.architectures),
            "filesystem": self.filesystem,
            "files": len(manifest.files),
            "bytes": manifest.size,
            "held": len(manifest.held),
            "left_out": list(self.ready.fit.left_out),
            "written": self.done.written,
            "kept": self.done.kept,
            "bytes_written": self.done.bytes_written,
            "changed": self.done.changed,
            "seconds": round(self.seconds, 1),
        }


def _print_parts(ready: Assembled, say: Callable[[str], None]) -> None:
    from sugar_deploy.bundle.capacity import human
    from sugar_deploy.bundle.parts import sizes

    for part, size in sizes(ready.fit.pieces).items():
        say(f"  {human(size):>9}  {part}")
    if ready.manifest.held:
        say(f"  {len(ready.manifest.held)} packages are left to the server, which has them")


def _verify(target: Path, folder: Folder, console: Console, *, as_json: bool, quiet: bool) -> int:
    from sugar_deploy.bundle.capacity import human
    from sugar_deploy.bundle.proof import prove
    from sugar_deploy.cli.moving import Moving

    key = folder.repository_key if folder.repository_key.is_file() else None
    if key is None and folder.file.is_file():
        raise UsageError(
            f"{folder.root} has no repository key to prove the stick with",
            f"Publish first: sugar-deploy repo publish -C {folder.root}",
        )
    with Moving(console, quiet=quiet) as moving:
        proof = prove(target, key, moving)
    manifest = proof.manifest
    if as_json:
        faults = {"missing": proof.missing, "wrong": proof.wrong, "foreign": proof.foreign}
        about = {
            "valid": proof.whole,
            "snapshot": manifest.snapshot,
            "serial": manifest.serial,
            "kind": manifest.kind,
        }
        click.echo(json.dumps(about | {"by_own_key": key is None} | faults, indent=2))
        return 0 if proof.whole else 1
    for word, paths in (("missing", proof.missing), ("wrong", proof.wrong), ("not ours", proof.foreign)):
        for path in paths:
            click.echo(f"{word}: {path}", err=True)
    if not proof.whole:
        if manifest.tool != __version__:
            # Another version's install.sh and README.txt may be good, and other than this one's.
            click.echo(f"It was written by sugar-deploy {manifest.tool}, and this is {__version__}", err=True)
        click.echo(f"Write it again: sugar-deploy repo bundle {target}", err=True)
        return 1
    if not quiet:
        by = "the key on it, which proves only that it is undamaged" if key is None else f"the key of {folder.root}"
        click.echo(
            f"The stick is whole: snapshot {manifest.snapshot} (number {manifest.serial}, {manifest.kind}) of "
            f"{manifest.deployment}, {len(manifest.files)} files, {human(manifest.size)}; proved with {by}"
        )
    return 0
