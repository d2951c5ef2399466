# SPDX-License-Identifier: GPL-3.0-or-later
"""Backs up made-up Journals with this machine's rsync and ssh, as an XO and as today's laptops, and reads them back.

A laptop can empty its folders on the server again, and does; it cannot remove its snapshots, or itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from base64 import b64decode
from binascii import hexlify
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from sugaroid.backup import Backup, Place, ssh_knows
from sugaroid.checks.enrolled import Laptop, enrolled
from sugaroid.checks.options import Options
from sugaroid.checks.report import Report, Unexpected
from sugaroid.errors import NotServed, SugaroidError
from sugaroid.journal import add_entries, make_journal, remove_entry
from sugaroid.snapshots import Snapshot, differences

ENTRIES = 12
SECONDS = 170.0
EMPTY_SECONDS = 20.0
FOLDERS = ("datastore-current", "power-logs", "documents")
_ANSWERS = {
    403: "laptops are refused: backups are off, or the server does not know this laptop",
    404: "the server has no backups",
    503: "later, please: the server has much to do, or its disk is nearly full",
}


async def check_backup(report: Report, options: Options, address: str) -> None:
    """First a laptop of today, which can read its backups, then one of the XO generation, which cannot."""
    place = Place(options.server, address, options.ports.http, options.ports.backup)
    with tempfile.TemporaryDirectory(prefix="sugaroid-") as name:
        folder = Path(name)
        laptop = await enrolled(report, options, address, "backup", "ed25519")
        if laptop is not None:
            await _Checks(report, _backup(laptop, place, folder / "today"), folder / "today").all()
        kind = "dsa" if await ssh_knows("ssh-dss") else "rsa"
        laptop = await enrolled(report, options, address, "backup", kind)
        if laptop is not None:
            backup = _backup(laptop, place, folder / "xo", xo=True)
            await _Checks(report, backup, folder / "xo").of_an_xo(kind)


def _backup(laptop: Laptop, place: Place, folder: Path, *, xo: bool = False) -> Backup:
    folder.mkdir(mode=0o700)
    return Backup(laptop.profile, laptop.hardware.serial, place, folder, xo)


@dataclass
class _Checks:
    """The checks with one laptop, whose files are in a folder."""

    report: Report
    backup: Backup
    folder: Path

    async def all(self) -> None:
        """Back up, look, read back, change, back up again; each needs the ones before it."""
        host = f"{self.backup.place.server}:{self.backup.place.port}"
        ssh = f"rsync and ssh to {host} as {self.backup.serial}"
        self._make()
        if not await self._may_begin("may a laptop begin"):
            return
        if not await self._bring_all("a Journal is brought", ssh):
            return
        if await self._step("it is read back", f"{ssh}, snapshots/NAME/", self._read_back):
            await self._step("a changed Journal is brought", ssh, self._bring_changed)
        await self._step("nothing else is served", f"ssh to {host}, `id`", self._no_shell)
        await self._step("the folders are emptied", ssh, self._empty)

    async def of_an_xo(self, kind: str) -> None:
        """Back up with the algorithms of OpenSSH 5."""
        place = self.backup.place
        ssh = f"rsync and ssh to {place.server}:{place.port} as an XO, a key of {kind}, aes128-cbc, hmac-sha1"
        self._make()
        if await self._may_begin("may an XO begin") and await self._bring_all("an XO's Journal is brought", ssh):
            await self._step("an XO's folders are emptied", ssh, self._empty)

    @property
    def _journal(self) -> Path:
        return self.folder / "datastore"

    def _make(self) -> None:
        self.uids = make_journal(self._journal, ENTRIES, self.backup.serial)
        for name in FOLDERS[1:]:
            (self.folder / name).mkdir()
        (self.folder / "power-logs" / "pwr-260302_120000.csv").write_text("1772452800,95,full\n")
        (self.folder / "documents" / "cuento.txt").write_text("Había una vez…\n", "utf-8")

    async def _step(self, check: str, tried: str, action: Callable[[], Awaitable[str]]) -> bool:
        return await self.report.step("backup", check, tried, action, SECONDS)

    async def _may_begin(self, check: str) -> bool:
        place = self.backup.place

        async def ask() -> str:
            status = await self.backup.available()
            if status != 200:
                raise Unexpected(f"status {status}: {_ANSWERS.get(status, 'a laptop gives up')}")
            return "status 200"

        url = f"GET http://{place.server}:{place.http_port}/backup/1/available/{self.backup.serial}"
        return await self._step(check, url, ask)

    async def _bring_all(self, check: str, tried: str) -> bool:
        if await self._step(check, tried, self._bring):
            home = hexlify(b64decode(self.backup.profile.keys.fingerprint.partition(":")[2] + "=")).decode()
            self.report.left.append(f"snapshots of {self.backup.serial}, in homes/{home} of the server's backups")
            return True
        with contextlib.suppress(SugaroidError, asyncio.TimeoutError):
            await asyncio.wait_for(self._empty(), EMPTY_SECONDS)
        return False

    async def _bring(self) -> str:
        others = {name: self.folder / name for name in FOLDERS[1:]}
        await self.backup.back_up({FOLDERS[0]: self._journal, **others})
        return f"{ENTRIES} entries, {', '.join(others)}, and the mark that all was brought"

    async def _read_back(self) -> str:
        (newest,) = await self._snapshots(1)
        await self._compare(newest)
        return f"{newest.name} has the {newest.entries} entries, byte for byte"

    async def _bring_changed(self) -> str:
        """A child erased an entry and made two; --delete erases it there, and the snapshot before keeps it."""
        before = self.folder / "before"
        (first,) = await self._snapshots(1)
        await self.backup.restore(first.name, before)
        remove_entry(self._journal, self.uids[0])
        add_entries(self._journal, 2, f"{self.backup.serial}-later")
        await self.backup.back_up({FOLDERS[0]: self._journal})
        newest, older = await self._snapshots(2)
        await self._compare(newest)
        await self.backup.restore(older.name, self.folder / "again")
        judge_same(before, self.folder / "again", f"the older snapshot {older.name} changed")
        return f"{newest.name} has the change, and {older.name} is as it was"

    async def _snapshots(self, count: int) -> list[Snapshot]:
        found = await self.backup.snapshots()
        if len(found) != count:
            names = ", ".join(each.name for each in found) or "none"
            raise Unexpected(f"{count} backups were completed, and the snapshots are {names}")
        return found

    async def _compare(self, snapshot: Snapshot) -> None:
        given = self.folder / f"given-{snapshot.entries}"
        await self.backup.restore(snapshot.name, given)
        judge_same(self._journal, given, f"the snapshot {snapshot.name} is not what was brought")
        entries = sum(1 for _ in self._journal.glob("??/*-*-*-*-*"))
        if snapshot.entries != entries:
            raise Unexpected(f"{snapshot.name} has {entries} entries, and the server counts {snapshot.entries}")

    async def _no_shell(self) -> str:
        try:
            printed = await self.backup.command("id")
        except NotServed as refusal:
            return str(refusal)
        raise Unexpected(f"the server runs a laptop's commands: {printed.strip()[:100]}")

    async def _empty(self) -> str:
        nothing = self.folder / "nothing"
        nothing.mkdir(exist_ok=True)
        for name in FOLDERS:
            await self.backup.bring(nothing, name)
        return "nothing but snapshots stays"


def judge_same(wanted: Path, given: Path, complaint: str) -> None:
    """Unexpected if two folders differ."""
    found = differences(wanted, given)
    if found:
        raise Unexpected(f"{complaint}: {'; '.join(found[:3])}{'; and more' if found[3:] else ''}")
