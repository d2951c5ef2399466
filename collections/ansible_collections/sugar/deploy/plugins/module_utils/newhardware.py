# SPDX-License-Identifier: GPL-3.0-or-later
"""A backup brought onto a server: looked at, let in, put in place. What was there before is moved aside.

    restore/restore.json   which backup, how far it is, and what ran
    restore/state.tar      as it arrived; restore/data/ as unpacked, until it is in its place
    replaced/              what was there before, under its full path; of trees, inside of each

Until everything has arrived and is proved, nothing is touched. From then on restore.json says `placing`, and only the
same backup can go on.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import grp
import json
import os
import pwd
import shutil
import sqlite3
import subprocess
import time

from ansible_collections.sugar.deploy.plugins.module_utils import bulk, record, statepack
from ansible_collections.sugar.deploy.plugins.module_utils.carried import megabytes, sha256, sync_filesystem
from ansible_collections.sugar.deploy.plugins.module_utils.exchange import Exchange
from ansible_collections.sugar.deploy.plugins.module_utils.files import write
from ansible_collections.sugar.deploy.plugins.module_utils.room import MARGIN_BYTES, free_bytes
from ansible_collections.sugar.deploy.plugins.module_utils.unit import Health, Unit, prove

ARRIVING, PLACING = "arriving", "placing"
RESTORED = "restored.json"


class RefusedError(Exception):
    """The server may not be given this backup as it is; the message says why and what to do."""


class Arrival:
    """A backup on its way onto this server."""

    def __init__(self, base):
        self.base = base
        self.folder = os.path.join(base, "restore")
        self.archive = os.path.join(self.folder, statepack.NAME)

    def pending(self):
        """What restore.json says of a restore that was begun; None without one."""
        return _read(os.path.join(self.folder, "restore.json"))

    def restored(self):
        """Which backup the server was last given: its state's hash; empty if none."""
        return (_read(os.path.join(self.base, RESTORED)) or {}).get("backup", "")

    def _note(self, content):
        _write(os.path.join(self.folder, "restore.json"), content)

    def let_in(self, backup, signs, replace):
        """Refuse what cannot be, before anything is brought; returns "already", "arriving" or "placing"."""
        pending = self.pending()
        if pending and pending["status"] == PLACING:
            if pending["backup"] != backup["state"]["sha256"]:
                raise RefusedError(
                    f"another backup, of {pending['made_at']}, is half restored here. Restore that one to the "
                    "end first"
                )
            return PLACING
        if not replace and self.restored() == backup["state"]["sha256"]:
            return "already"
        self._require_fit(backup)
        if not replace:
            _require_unused(signs)
        _require_room(self.base, backup)
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        self._note({"status": ARRIVING, "backup": backup["state"]["sha256"], "made_at": backup["made_at"]})
        return ARRIVING

    def _require_fit(self, backup):
        if not record.is_in_service(self.base):
            raise RefusedError("no apply has been completed on this server. Run `sugar-deploy apply` for it first")
        for name, version in sorted(backup["versions"].items()):
            own = installed([name]).get(name)
            if own is None:
                raise RefusedError(f"{name} is not installed here, and the backup has its data: apply first")
            if subprocess.run(["dpkg", "--compare-versions", own, "lt", version], check=False).returncode == 0:
                raise RefusedError(
                    f"{name} is {own} here, and {version} was it when the backup was made: older programs cannot "
                    "read what newer ones wrote. Publish and apply at least that version first"
                )
        if shutil.which("rsync") is None and backup["bulk"]:
            raise RefusedError("rsync is not installed here. Install it on the server: apt-get install rsync")

    def put_in_place(self, backup, units, signs, replace):
        """Everything in its place, and the services that ran run again; returns where former things are now."""
        content = self.pending()
        if content is None or content["backup"] != backup["state"]["sha256"]:
            raise RefusedError("what has arrived is of another backup: restore again")
        if content["status"] != PLACING:
            if not replace:
                _require_unused(signs)
            content = self._unpack(content, backup, units)
        # Cut off or failed in between, they stay stopped: nothing is served from half of the data.
        for unit in map(Unit, units):
            if unit.exists():
                unit.act("stop")
        left = self._exchange(content)
        wrong = self._up(content["running"])
        if wrong:
            raise RefusedError(f"everything is restored, but {'; '.join(wrong)}")
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        _write(
            os.path.join(self.base, RESTORED),
            {"backup": content["backup"], "made_at": content["made_at"], "restored_at": stamp},
        )
        shutil.rmtree(self.folder)
        return left

    def _unpack(self, content, backup, units):
        if not os.path.exists(self.archive) or sha256(self.archive) != backup["state"]["sha256"]:
            raise RefusedError(f"{self.archive} has arrived damaged: restore again")
        _require_owners(self.archive)
        data = os.path.join(self.folder, "data")
        statepack.unpack(self.archive, data)
        paths = [path for path in backup["paths"] if os.path.lexists(data + path)]
        content = {
            **content,
            "status": PLACING,
            "running": [name for name in units if Unit(name).exists() and Unit(name).is_active()],
            "paths": paths,
            "kept": paths,
            "trees": {tree["path"]: None for tree in backup["bulk"]},
            "done": {},
        }
        sync_filesystem(self.folder)
        for tree in content["trees"]:
            sync_filesystem(tree)
        self._note(content)
        return content

    def _exchange(self, content):
        aside = os.path.join(self.base, "replaced")
        if not content.get("cleared"):
            # Of an earlier restore: its own run has told of it.
            shutil.rmtree(aside, ignore_errors=True)
            content["cleared"] = True
            self._note(content)
        stays = Exchange(os.path.join(self.folder, "data"), aside, content, self._note).carry_out()
        moved = [bulk.swap(tree, content["done"], lambda _done: self._note(content)) for tree in content["trees"]]
        return [place for place in [aside if os.path.isdir(aside) else "", *stays, *moved] if place]

    @staticmethod
    def _up(names):
        """Start what ran before; returns what does not come up."""
        wrong = []
        for name in names:
            Unit(name).act("start")
        for unit in map(Unit, names):
            health = Health(steady_seconds=2.0 if unit.name.endswith(".service") else 0.0)
            complaint = prove(unit, health)
            if complaint:
                wrong.append(f"{unit.name} does not come up with it: {complaint}")
        return wrong


def installed(names):
    """The versions of packages that are installed."""
    argv = ["dpkg-query", "--show", "--showformat", "${Package}\t${db:Status-Status}\t${Version}\n", "--", *names]
    done = subprocess.run(argv, capture_output=True, check=False, text=True)
    lines = [line.split("\t") for line in done.stdout.splitlines()]
    return {name: version for name, status, version in lines if status == "installed"}


def _require_unused(signs):
    if found := in_use(signs):
        raise RefusedError(
            f"this server has data of its own: {', '.join(found)}. To have the backup instead, say --replace: what "
            "is there now is moved aside"
        )


def in_use(signs):
    """What tells that a school works with this server: files, and rows in databases."""
    found = []
    for pattern in signs["files"]:
        if number := len(glob.glob(pattern)):
            found.append(f"{number} of {pattern}")
    for path, table in signs["tables"].items():
        if os.path.exists(path) and (number := _rows(path, table)):
            found.append(f"{number} {table}")
    return found


def _rows(path, table):
    try:
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=60)) as database:
            return database.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0]  # noqa: S608 (a role's)
    except sqlite3.OperationalError:  # not yet made
        return 0
    except sqlite3.DatabaseError:
        return f"(in {path}, which cannot be read)"


def _require_room(base, backup):
    need = {base: 2 * backup["state"]["size"]}
    for tree in backup["bulk"]:
        draft = os.path.join(tree["path"], bulk.DRAFT)
        need[tree["path"]] = tree["bytes"] - (_bytes(draft) if os.path.isdir(draft) else 0)
    by_disk = {}
    for path, size in need.items():
        if not os.path.isdir(path):
            raise RefusedError(f"there is no {path} here: apply first")
        device = os.stat(path).st_dev
        place, sum_ = by_disk.get(device, (path, 0))
        by_disk[device] = place, sum_ + size
    for place, size in by_disk.values():
        if free_bytes(place) < size + MARGIN_BYTES:
            raise RefusedError(
                f"there is not enough free space in {place}: the backup needs {megabytes(size + MARGIN_BYTES)} MB "
                f"and {megabytes(free_bytes(place))} MB are free. A larger disk is needed"
            )


def _bytes(folder):
    done = subprocess.run(["du", "--summarize", "--block-size=1", folder], capture_output=True, check=False)
    return int((done.stdout.split() or [b"0"])[0])


def _require_owners(archive):
    """Owners go by their names, and a name that is missing here would become anybody's number."""
    users, groups = statepack.owners(archive)
    missing = [name for name in users if not _known(pwd.getpwnam, name)]
    missing += [name for name in groups if not _known(grp.getgrnam, name)]
    if missing:
        raise RefusedError(f"there is no user or group {', '.join(sorted(set(missing)))} here: apply first")


def _known(look_up, name):
    try:
        return not name or bool(look_up(name))
    except KeyError:
        return False


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return json.load(file)
    except FileNotFoundError:
        return None
    except ValueError:
        raise RefusedError(f"{path} is damaged; look at it, then remove it") from None


def _write(path, content):
    data = json.dumps(content, indent=1, sort_keys=True).encode()
    try:
        write(path, data, 0o600, os.geteuid(), os.getegid())
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise RefusedError(f"there is not enough free space for {path}: make room, and restore again") from None
        raise
