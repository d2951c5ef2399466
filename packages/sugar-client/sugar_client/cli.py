# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line. Each room adds its commands: `<room>/commands.py` has `add(commands)`."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from sugar_client import __version__
from sugar_client.backup import commands as backup
from sugar_client.command import Failed
from sugar_client.owner import commands as owner
from sugar_client.statistics import commands as statistics
from sugar_client.update import commands as update

_ROOMS = (backup, owner, statistics, update)
_EPILOG = """examples:
  sugar-client updates                        what the school's server has that is newer than what is here
  sugar-client updates --url http://schoolserver/activities/
  sugar-client register                       make the laptop known to the school server, for backups
  sugar-client backup                         bring the Journal there, once a day
  sugar-client restore --list                 what the school server keeps of it
  sugar-client restore                        make the newest of that the Journal; Sugar has to be closed
  sugar-client statistics --show              what this laptop would report of its use

exit status: 0 done or nothing to do, 1 failed, 2 wrong usage
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except Failed as error:
        print(f"sugar-client: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sugar-client",
        description="What a Sugar laptop does with its school server.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sugar-client {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for room in _ROOMS:
        room.add(commands)
    return parser
