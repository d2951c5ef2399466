# SPDX-License-Identifier: GPL-3.0-or-later
"""One pretended laptop: its key, its Journal, and each thing that it does; all give the bytes that travelled."""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

from sugaroid.background import in_background
from sugaroid.backup import Backup, Place
from sugaroid.bundles import RemoteFile, look_into
from sugaroid.checks.report import Unexpected
from sugaroid.checks.statistics import DATABASE
from sugaroid.checks.updates import judge_bundle
from sugaroid.errors import NotServed
from sugaroid.journal import add_entries, make_journal
from sugaroid.load.figures import Later
from sugaroid.load.options import LoadOptions
from sugaroid.load.plan import PAGES, Planned
from sugaroid.probes import web
from sugaroid.profile import NO_UUID, Hardware, Profile
from sugaroid.registration import register
from sugaroid.snapshots import differences
from sugaroid.statistics import Statistics, wanted
from sugaroid.updates import PATH, page_url, place, read_page

_SECONDS = 60.0
_SAMPLES = 12
"""Of an upload: one in five minutes of the last hour."""
_PIECE = 1 << 18
"""A part of a bundle, in bytes."""


class Laptop:
    """One laptop at one server."""

    def __init__(self, planned: Planned, options: LoadOptions, address: str, folder: Path) -> None:
        self.planned, self._options, self._address = planned, options, address
        self._folder = folder / planned.serial
        self._chance = random.Random(f"does:{planned.seed}")  # noqa: S311 - made up, and to be made again
        self.hardware = Hardware(planned.serial, NO_UUID)
        self.registered = False

    def make(self) -> None:
        """The key, and the Journal of the day before if it will travel; blocking."""
        planned = self.planned
        self.profile = Profile.make(planned.seed, kind=planned.kind, hardware=self.hardware)
        self._folder.mkdir(mode=0o700, parents=True)
        if self._options.transfers:
            self._uids = make_journal(self.journal, planned.entries, planned.seed)
        ports = self._options.ports
        where = Place(self._options.server, self._address, ports.http, ports.backup)
        self._backup = Backup(self.profile, planned.serial, where, self._folder, xo=planned.kind != "ed25519")

    @property
    def journal(self) -> Path:
        return self._folder / "datastore"

    async def register(self) -> int:
        """Sugar's call. The answer's bytes are not counted."""
        options = self._options
        await register(
            self.profile, options.server, self.hardware, address=self._address, port=options.ports.registration
        )
        return len(self.profile.pubkey)

    async def ask(self) -> int:
        """May the backup begin? Later, or NotServed, if not."""
        status = await self._backup.available()
        if status == 503:
            raise Later("the server asks to come again later")
        if status != 200:
            raise NotServed(f"status {status}: the laptop may not bring its backup")
        return 0

    async def bring(self) -> int:
        """The whole backup, and the mark of its end; the Journal's bytes."""
        await self._backup.back_up({"datastore-current": self.journal})
        return _size(self.journal)

    async def bring_changed(self) -> int:
        """What the child made since comes too; its bytes."""
        planned = self.planned
        made = await in_background(
            lambda: add_entries(self.journal, planned.added, f"{planned.seed}:later"), _SECONDS
        )
        await self._backup.back_up({"datastore-current": self.journal})
        return sum(_size(self.journal / uid[:2] / uid) for uid in made)

    async def restore(self) -> int:
        """One of yesterday's entries, from the newest snapshot; its bytes."""
        found = await self._backup.snapshots()
        if not found:
            raise Unexpected("the server has no snapshot of this laptop")
        uid = self._chance.choice(self._uids)
        target = self._folder / "restored"
        await self._backup.restore_entry(found[0].name, uid, target)
        inside = Path(uid[:2], uid)
        wrong = differences(self.journal / inside, target / inside)
        if wrong:
            raise Unexpected(f"an entry of {found[0].name} is not what was brought: {wrong[0]}")
        return _size(target)

    async def activities(self) -> int:
        """Sugar's look for updates."""
        return len(await self._page(PATH))

    async def bundle(self) -> int:
        """One of the activities: looked into, and fetched in parts."""
        options = self._options
        page = (await self._page(PATH)).decode("utf-8", "replace")
        offers = read_page(page, page_url(options.server, options.ports.http)).offers
        if not offers:
            return 0
        offer = self._chance.choice(sorted(offers.values(), key=lambda one: one.bundle_id))
        where = place(offer.url, options.server, self._address)

        def fetch() -> int:
            judge_bundle(offer, look_into(*where))
            file, fetched = RemoteFile(*where), 0
            while data := file.read(_PIECE):
                fetched += len(data)
            return fetched

        return await in_background(fetch, _SECONDS)

    async def statistics(self) -> int:
        """What the server wants to know, and the last hour."""
        options = self._options
        account = Statistics(self.profile, options.server, self._address, options.ports.registration)

        def bring() -> int:
            info = account.info()
            newest = int(time.time())
            samples = [(newest - number * info.step, {"uptime": 1}) for number in reversed(range(_SAMPLES))]
            asked = wanted(info, DATABASE, samples)
            if asked:
                account.upload(DATABASE, asked)
            return 0

        return await in_background(bring, _SECONDS)

    async def page(self) -> int:
        """One of the school's pages."""
        return len(await self._page(self._chance.choice(PAGES)))

    async def _page(self, path: str) -> bytes:
        where = (self._address, self._options.ports.http, self._options.server)
        page = await in_background(lambda: web.fetch(*where, path), _SECONDS)
        if page.status not in (200, 303):  # a school may show its pages to the teacher only
            raise NotServed(f"status {page.status} for {path}")
        return page.body


def _size(folder: Path) -> int:
    """The bytes of the files below a folder."""
    return sum(os.lstat(f"{place}/{name}").st_size for place, _, files in os.walk(folder) for name in files)
