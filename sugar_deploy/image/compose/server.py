"""A laptop that is its class's server from its first start: what the stage `server` puts into its image."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sugar_deploy.image.compose.stage import Input, Step, make_step
from sugar_deploy.locks import PYTHONS
from sugar_deploy.repository.derive.seeds import tool

SERVER = "downstream-server-demo"
_GIVES_WAY = {"systemd-timesyncd"}
"""What every image has, and a server's own service takes the place of: both cannot be installed."""


@dataclass(frozen=True, slots=True)
class ClassServer:
    """Which school's server it is, of a bundle's files, and the packages that have to be there already."""

    school: str
    files: Input
    packages: tuple[str, ...]


def server_packages(deployment: str, suite: str, architecture: str) -> tuple[str, ...]:
    """What a laptop needs so that nothing has to be installed when it becomes a server.

    On a release that no server runs on, it has the services alone.
    """
    needed = tool(suite, architecture) if suite in PYTHONS else ()
    return f"{deployment}-peer-server", SERVER, *needed


def without_rivals(names: Iterable[str]) -> set[str]:
    """An image's packages without those that a server's push out."""
    return set(names) - _GIVES_WAY


def server_step(server: ClassServer | None) -> Iterable[Step]:
    """The stage that has the image carry it."""
    if server:
        yield make_step("server", {"packages": server.packages}, {"bundle": server.files})
