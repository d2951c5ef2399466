# SPDX-License-Identifier: GPL-3.0-or-later
"""`sugar-client updates`: what Sugar's updater would find, for supporters."""

from __future__ import annotations

import argparse
import json
from typing import Any

from sugar_client import __version__
from sugar_client.command import Failed
from sugar_client.update import choose, content, fetch, installed, page

_AGENT = f"sugar-client/{__version__}"
_PAGE = "http://schoolserver/activities/"


def add(commands: Any) -> None:
    """Add the commands to the parser's."""
    command = commands.add_parser("updates", help="list newer activities", description=_updates.__doc__)
    command.add_argument("--url", default=_PAGE, help=f"page of activities (default: {_PAGE})")
    command.add_argument("--automatic", action="store_true", help="leave out what the page calls optional")
    command.add_argument("--json", action="store_true", help="as JSON, for scripts")
    command.set_defaults(run=_updates)


def _updates(arguments: argparse.Namespace) -> int:
    """Lists a school server's activities and contents that are newer than those of this laptop, or not on it yet."""
    try:
        offers = page.read(fetch.page(arguments.url, _AGENT), arguments.url)
    except fetch.Unreachable as error:
        raise Failed(f"{error}. Is this laptop on the school's network?") from None
    here = {**content.installed(installed.library()), **installed.installed(installed.folders())}
    found = choose.newer(offers.values(), here, arguments.automatic)
    rows = [
        {
            "bundle_id": offer.bundle_id,
            "name": offer.name,
            "version": str(offer.version),
            "installed": str(here[offer.bundle_id]) if offer.bundle_id in here else None,
            "optional": offer.optional,
            "url": offer.url,
        }
        for offer in found
    ]
    if arguments.json:
        print(json.dumps(rows, indent=2))
        return 0
    for row in rows:
        name = "".join(character if character.isprintable() else "?" for character in str(row["name"]))
        print(f"{name}  {row['installed'] or 'new'} -> {row['version']}  {row['bundle_id']!a}")
    print(f"{len(rows)} to update, of {len(offers)} that {arguments.url} offers.")
    return 0
