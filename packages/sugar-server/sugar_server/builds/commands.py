# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands that publish builds of the laptops' operating system."""

from __future__ import annotations

import argparse
import contextlib
import re
from pathlib import Path
from typing import Any

from sugar_server.builds import checksum
from sugar_server.builds.shelf import Builds, is_name
from sugar_server.builds.tree import BadTree
from sugar_server.command import LIBRARY, Failed, become_owner

_TREE = re.compile(r"(.+)-tree\.tar(?:\.[a-z0-9]+)?")
_LARGEST_CONTENTS = 64 * 1024 * 1024


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    publish = commands.add_parser("publish-build", help="offer an OS build to laptops", description=_publish.__doc__)
    publish.add_argument(
        "archive", type=Path, metavar="X-tree.tar.xz", help="the system's tree; .md5, .sha256 beside it"
    )
    publish.add_argument("--contents", type=Path, metavar="FILE", help="its manifest (default: X.contents beside it)")
    publish.add_argument("--name", help="as laptops call it (default: the line in X.name beside it)")
    publish.set_defaults(run=_publish)

    unpublish = commands.add_parser("unpublish-build", help="offer it no longer", description=_unpublish.__doc__)
    unpublish.add_argument("name", metavar="NAME", help="as `sugar-server builds` lists it")
    unpublish.set_defaults(run=_unpublish)

    listing = commands.add_parser("builds", help="list the published builds", description=_list.__doc__)
    listing.set_defaults(run=_list)
    for command in (publish, unpublish, listing):
        command.add_argument(
            "--library", type=Path, default=LIBRARY, metavar="DIR", help=f"the folder of builds/ (default: {LIBRARY})"
        )


def _publish(arguments: argparse.Namespace) -> int:
    """Checks a build's archive, unpacks it, and offers it to olpc-update: rsync module build-NAME, and in builds."""
    archive = arguments.archive
    match = _TREE.fullmatch(archive.name)
    prefix = match.group(1) if match else None
    try:
        name = arguments.name or _beside(archive, prefix, "name", "--name").read_text(encoding="utf-8").strip()
        contents = _contents(arguments.contents or _beside(archive, prefix, "contents", "--contents"))
        kind, value = checksum.read(archive)
        file = archive.open("rb")
    except (OSError, UnicodeDecodeError, checksum.Wrong) as error:
        raise Failed(str(error)) from None
    if not is_name(name):
        raise Failed(f"{name!a:.100} is no name for a build. Use letters, digits, dots and dashes.")
    with contextlib.closing(file):
        become_owner(arguments.library, ".")
        try:
            checksum.check(file, kind, value)
            Builds(arguments.library).publish(name, file, contents)
        except (BadTree, checksum.Wrong) as error:
            raise Failed(f"{archive}: {error}.") from None
        except OSError as error:
            raise Failed(f"{arguments.library} cannot be written ({error}). Is the disk full?") from None
    print(f"Published {name}: laptops get it with olpc-update {name}.")
    return 0


def _beside(archive: Path, prefix: str | None, ending: str, option: str) -> Path:
    path = archive.with_name(f"{prefix}.{ending}") if prefix else None
    if path is None or not path.exists():
        raise Failed(f"{archive} has no {path.name if path else ending} beside it. Put it there, or give {option}.")
    return path


def _contents(path: Path) -> bytes:
    with path.open("rb") as file:
        content = file.read(_LARGEST_CONTENTS + 1)
    if not content or len(content) > _LARGEST_CONTENTS:
        raise Failed(f"{path} is no manifest: it is empty, or larger than {_LARGEST_CONTENTS // 2**20} MiB.")
    return content


def _unpublish(arguments: argparse.Namespace) -> int:
    """Removes a published build; a laptop that is just fetching it has to begin anew with another one."""
    become_owner(arguments.library, ".")
    if not Builds(arguments.library).unpublish(arguments.name):
        raise Failed(f"No build is called {arguments.name!a:.100}. `sugar-server builds` lists them.")
    print(f"{arguments.name} is offered no longer.")
    return 0


def _list(arguments: argparse.Namespace) -> int:
    """Lists the published builds."""
    become_owner(arguments.library, ".")
    for name in Builds(arguments.library).names():
        print(name)
    return 0
