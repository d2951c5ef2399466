"""`python rooms.py serve …`: the daemon with rooms whose content a test knows."""

from __future__ import annotations

import functools
import sys

from sugar_server import cli, serve
from sugar_server.app import Daemon
from sugar_server.pages.providers import Entry, Plot, Providers, Refused, Service, Snapshot

SNAPSHOTS = (Snapshot("2026-11-20_12:00:00", 1_795_176_000), Snapshot("2026-11-13_12:00:00", 1_794_571_200))
_SVG = (
    '<svg role="img" aria-label="Plot" viewBox="0 0 300 100" width="600" height="200"><rect x="10" y="40" width="40" '
    'height="60" fill="#3b7dd8"/><text x="10" y="35" font-size="12" fill="currentColor">Paint</text></svg>'
)


class Backups:
    """Every laptop but those without a name has backed up."""

    def __init__(self):
        self.adopted = False

    def last(self, identity):
        return SNAPSHOTS[0].at if int(identity.encode().hex(), 16) % 4 else None

    def snapshots(self, identity):
        return SNAPSHOTS if self.last(identity) else ()

    def entries(self, identity, snapshot):
        titles = ["Mi cuento <script>alert(1)</script>", "قصة", "", *(f"Dibujo {number}" for number in range(240))]
        return [
            Entry(
                f"uid-{number}", title, "Write" if number % 2 else "Paint", SNAPSHOTS[0].at - 86400 * number, 51_200
            )
            for number, title in enumerate(titles)
        ]

    def address(self, identity, snapshot, uid):
        return f"/ds-restore/{snapshot}/{uid}.xoj"

    def adopt(self, identity, heir):
        if self.adopted:
            raise Refused("The new laptop has backups of its own.")
        self.adopted = True

    def is_adopting(self, identity):
        return False

    def failed_adoption(self, identity):
        return None


class Library:
    def address(self):
        return "/activities/"


class Statistics:
    def plots(self, language):
        return [Plot("Activities used", "Paint was used 40 times this week.", _SVG)]


class Services:
    def states(self, language):
        return [Service("Prosody", True), Service("ds-backup", False, "has stopped")]


class Synchronisation:
    def last(self):
        return SNAPSHOTS[0].at


if __name__ == "__main__":
    providers = Providers(
        backups=Backups(),
        library=Library(),
        statistics=Statistics(),
        services=Services(),
        synchronisation=Synchronisation(),
    )
    serve.Daemon = functools.partial(Daemon, providers=providers)
    sys.exit(cli.main(sys.argv[1:]))
