"""`sugar-deploy repo`: build, sign, publish and prove the deployment's packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sugar_deploy.cli.narrate import narrator
from sugar_deploy.cli.options import folder_option, json_option, verbosity_options
from sugar_deploy.cli.repo_bundle import bundle
from sugar_deploy.cli.repo_changes import diff, sbom
from sugar_deploy.cli.repo_history import rollback, snapshot, snapshots
from sugar_deploy.cli.repo_key import key
from sugar_deploy.cli.repo_shown import configuration_shown, print_configuration, print_json, print_publication, table
from sugar_deploy.folder import Folder

sources_option = click.option(
    "--sources",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Build the source packages in this folder instead of sugar-deploy's own.",
)


@click.group()
def repo() -> None:
    """Build, sign and publish the deployment's packages.

    \b
    Everything that lands on a server lands as a package from one signed repository.
    Each state of it is a snapshot, which can be looked at, compared, and published again.

    \b
    Example:
      sugar-deploy repo publish -C lima     builds what needs it, signs, publishes
      sugar-deploy repo verify -C lima      proves every byte of what is published
      sugar-deploy repo list -C lima        shows which packages that is
      sugar-deploy repo diff 3f2a -C lima   what has changed since that snapshot
      sugar-deploy repo bundle STICK -C lima   writes all of it onto a stick
    """


@repo.command()
@folder_option
@sources_option
@json_option
@verbosity_options
def build(folder: Folder, sources: Path | None, as_json: bool, verbose: int, quiet: bool) -> None:
    """Build the packages that have changed.

    \b
    Those are sugar-deploy's own and, where DIR has a deployment.yml, the deployment's
    configuration packages, for laptops on OLPC OS too. The others come from the cache.

    \b
    Example:
      sugar-deploy repo build -C lima
      sugar-deploy repo build -C lima -v     says where the packages are
    """
    from sugar_deploy.repository.build import build as build_packages
    from sugar_deploy.repository.configured import configured
    from sugar_deploy.run.prepare import resolved

    say = narrator(quiet=quiet, as_json=as_json)
    # First, so that mistakes in it are told before anything is built.
    plan = resolved(folder) if folder.file.is_file() else None
    built = build_packages(say, sources=sources)
    made = configured(folder, plan, say) if plan else None
    if as_json:
        print_json({"packages": [one.as_dict() for one in built]} | configuration_shown(made))
    elif not quiet:
        for one in built:
            click.echo(f"{one.source.name} {one.source.version}{' (unchanged)' if one.cached else ''}")
            for deb in one.debs if verbose else ():
                click.echo(f"  {deb}")
        print_configuration(made, folder, verbose=verbose)
        click.echo(f"Next: sugar-deploy repo publish -C {folder.root}")


@repo.command()
@folder_option
@sources_option
@click.option("--latest", is_flag=True, help="End a rollback: publish what the deployment is now.")
@json_option
@verbosity_options
def publish(folder: Folder, sources: Path | None, latest: bool, as_json: bool, verbose: int, quiet: bool) -> None:
    """Gather, sign and publish the packages.

    \b
    Those are sugar-deploy's own, the deployment's configuration packages, yours from DIR/debs/*.deb
    and, where deployment.yml says `contents: complete`, all that the servers need of Debian,
    and that composing images for the models takes which it names under `images:`.
    The published tree is DIR/repository/public: serve it by any web server, or leave it to
    `apply` to carry it to each server. Interrupted, it carries on when called again.

    \b
    Example:
      sugar-deploy repo publish -C lima
      sugar-deploy repo publish -C lima --latest     after a rollback
    """
    from sugar_deploy.run.prepare import published, resolved

    say = narrator(quiet=quiet, as_json=as_json)
    done = published(folder, resolved(folder), say, sources=sources, latest=latest)
    if as_json:
        print_json(done.as_dict() | {"tree": str(folder.published), "key": str(folder.repository_key)})
        return
    if quiet:
        return
    for one in done.record.items if verbose else ():
        click.echo(f"  {one.name} {one.version} {one.architecture}")
    print_publication(done, folder)


@repo.command()
@folder_option
@json_option
@verbosity_options
def verify(folder: Folder, as_json: bool, verbose: int, quiet: bool) -> int:
    """Prove that the published tree is whole.

    \b
    Example:
      sugar-deploy repo verify -C lima     names the first broken file, if there is one
    """
    from sugar_deploy.repository.verify import BrokenTree
    from sugar_deploy.repository.verify import verify as verify_tree

    try:
        report = verify_tree(folder.published, folder.repository_key)
    except BrokenTree as broken:
        if not as_json:
            raise
        print_json({"valid": False, "file": str(broken.path), "reason": broken.why})
        click.echo(f"sugar-deploy: {broken}", err=True)
        return broken.exit_code
    if as_json:
        print_json({"valid": True} | report.as_dict())
        return 0
    for file in sorted(report.files) if verbose else ():
        click.echo(f"  {file}: good")
    if not quiet:
        click.echo(
            f"Snapshot {report.snapshot} is whole: {len(report.packages)} packages, {len(report.files)} files, "
            f"signed by {' and '.join(report.fingerprints)}"
        )
    return 0


@repo.command("list")
@folder_option
@json_option
@verbosity_options
def list_packages(folder: Folder, as_json: bool, verbose: int, quiet: bool) -> None:
    """Show the published packages.

    \b
    Example:
      sugar-deploy repo list -C lima
      sugar-deploy repo list -C lima --json
    """
    from sugar_deploy.repository.verify import verify as verify_tree

    report = verify_tree(folder.published, folder.repository_key)
    if as_json:
        print_json(report.as_dict())
        return
    rows: list[tuple[str, ...]] = []
    for package, distributions in sorted(report.packages.items()):
        size = f"{-(-package.size // 1024)} KiB"
        rows.append((package.name, package.version, package.architecture, size, " ".join(distributions)))
        if verbose:
            rows[-1] += (package.sha256,)
    for line in table(rows):
        click.echo(line)
    if not quiet:
        click.echo(f"Snapshot {report.snapshot} of {report.origin}")


@repo.command()
@folder_option
@sources_option
@json_option
@verbosity_options
def lint(folder: Folder, sources: Path | None, as_json: bool, **verbosity: Any) -> int:
    """Have lintian check the packages.

    \b
    Example:
      sugar-deploy repo lint     exits with 1 if there are errors
    """
    from sugar_deploy.repository.build import build as build_packages
    from sugar_deploy.repository.lint import lint as lint_packages

    say = narrator(quiet=verbosity["quiet"], as_json=as_json)
    debs = [deb for one in build_packages(say, sources=sources) for deb in one.debs]
    say(f"lintian: checking {len(debs)} packages")
    findings = lint_packages(debs)
    errors = [finding for finding in findings if finding.level == "error"]
    if as_json:
        print_json({"findings": [finding.as_dict() for finding in findings]})
    else:
        for finding in errors if verbosity["quiet"] else findings:
            click.echo(str(finding))
        say(f"lintian: {len(errors)} errors, {len(findings) - len(errors)} warnings")
    return 1 if errors else 0


for command in (bundle, diff, key, rollback, sbom, snapshot, snapshots):
    repo.add_command(command)
