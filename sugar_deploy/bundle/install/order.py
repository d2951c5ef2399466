"""Whether a bundle is for this server at all, and whether it is its turn. Pure: nothing is read or changed here."""

from __future__ import annotations

from sugar_deploy.bundle.install.server import Installed, Snapshot
from sugar_deploy.bundle.manifest import Manifest
from sugar_deploy.errors import DeployError, UsageError


class NotForThisServer(DeployError):
    """A good bundle, but for another server or another time."""


def require_deployment(manifest: Manifest, deployment: str | None) -> None:
    """Refuse another deployment's bundle."""
    if deployment and manifest.deployment != deployment:
        raise NotForThisServer(
            f"this bundle is of the deployment {manifest.deployment}, and this server belongs to {deployment}",
            f"Use a stick of {deployment}",
        )


def require_system(manifest: Manifest, suite: str, architecture: str) -> None:
    """Refuse a bundle without packages for this system."""
    if suite not in manifest.suites:
        raise NotForThisServer(
            f"this bundle is for {_list(manifest.suites)}, and this server runs {suite}",
            "Use a stick that was written for it (repository.suites in deployment.yml)",
        )
    if architecture not in manifest.architectures:
        raise NotForThisServer(
            f"this bundle is for {_list(manifest.architectures)}, and this server is {architecture}",
            "Use a stick that was written for it (repository.architectures in deployment.yml)",
        )


def choose_school(manifest: Manifest, wanted: str | None, installed: Installed | None) -> str:
    """The school that this server is: the one asked for, else the one remembered, else the bundle's only one."""
    schools = _list(manifest.schools)
    if wanted is not None:
        if wanted not in manifest.schools:
            raise UsageError(f"this bundle has no school called {wanted}", f"It has {schools}")
        if installed and installed.school != wanted:
            raise UsageError(
                f"this server is {installed.school}, not {wanted}",
                "Leave --school out; to make another school of this server, first remove "
                "/var/lib/sugar-deploy/bundle.json",
            )
        return wanted
    if installed:
        if installed.school in manifest.schools:
            return installed.school
        raise NotForThisServer(
            f"this bundle is for {schools}, and this server is {installed.school}",
            f"Write a stick for it: sugar-deploy repo bundle TARGET --school {installed.school}",
        )
    if len(manifest.schools) == 1:
        return manifest.schools[0]
    raise UsageError(f"this bundle is for several schools: {schools}", "Say which one this is, with --school")


def require_turn(manifest: Manifest, in_use: Snapshot | None, *, allow_older: bool) -> None:
    """Refuse a bundle that is older than what the server has, or that builds upon what it never had."""
    if in_use and manifest.serial < in_use.serial and not allow_older:
        raise NotForThisServer(
            f"this bundle is older (number {manifest.serial}) than what this server has (number {in_use.serial})",
            "Use the newest stick; to go back on purpose, say --allow-older",
        )
    if not manifest.since:
        return
    # What lies between is decided by the files themselves: they may all still be there.
    if in_use is None or in_use.serial < manifest.since.serial:
        has = f"this server has number {in_use.serial}" if in_use else "nothing is installed here yet"
        raise NotForThisServer(
            f"this bundle carries only what changed since number {manifest.since.serial} "
            f"(snapshot {manifest.since.snapshot}), and {has}",
            f"Install the stick with number {manifest.since.serial} first, or use a complete one",
        )


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names[:20]) + (" …" if len(names) > 20 else "")
