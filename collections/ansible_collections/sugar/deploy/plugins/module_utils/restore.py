# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore point: what a server was before an upgrade, kept until the upgrade is proved.

    restore-point/point.json   what was installed, what ran, what was copied
    restore-point/debs/        the packages in their former versions
    restore-point/data/        settings and data, under their full paths; data-anew/ if a way back has used that up
    restore-point/reserve      room on the disk that the way back may need

It is made in a folder of another name, and gets this one when it is complete and on the disk; so a restore point is
whole or there is none. While there is one, the upgrade is unproved.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil

from ansible_collections.sugar.deploy.plugins.module_utils.carried import (
    link_or_copy,
    sha256,
    sync_filesystem,
    sync_folder,
)
from ansible_collections.sugar.deploy.plugins.module_utils.exchange import Exchange, copy
from ansible_collections.sugar.deploy.plugins.module_utils.files import write
from ansible_collections.sugar.deploy.plugins.module_utils.room import (
    RestoreError,
    give_back,
    need_bytes,
    no_space,
    reserve,
)
from ansible_collections.sugar.deploy.plugins.module_utils.unit import Unit

PIN = "/etc/apt/preferences.d/sugar-deploy-rolled-back"
DATA = "data"
MADE, RETURNING = "made", "returning"


class Point:
    """The restore point of a server, if there is one."""

    def __init__(self, base):
        self.base = base
        self.folder = os.path.join(base, "restore-point")
        self.draft = os.path.join(base, ".restore-point-draft")
        self.aside = os.path.join(base, "rolled-back")

    def read(self):
        """Its content, or None."""
        try:
            with open(os.path.join(self.folder, "point.json"), encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return None
        except ValueError:
            raise RestoreError(f"{self.folder}/point.json is damaged; look at it, then remove that folder") from None

    def write(self, content, folder=None):
        """Replace its content."""
        data = json.dumps(content, indent=1, sort_keys=True).encode()
        write(os.path.join(folder or self.folder, "point.json"), data, 0o600, os.geteuid(), os.getegid())

    def make(self, content, debs, paths, units):
        """Make it: DEBS are places of packages by name, PATHS are copied while UNITS are stopped."""
        shutil.rmtree(self.draft, ignore_errors=True)
        with self._writing(self.draft, debs, paths):
            os.makedirs(os.path.join(self.draft, "debs"), mode=0o700)
            os.chmod(self.draft, 0o700)
            named = _take(debs, self.draft)
            kept = _copied(paths, os.path.join(self.draft, DATA), units)
            self.write({**content, "status": MADE, "paths": paths, "kept": kept, "debs": named}, self.draft)
            reserve(self.draft)
            sync_filesystem(self.draft)
            os.rename(self.draft, self.folder)
        sync_folder(self.base)

    def renew(self, content, debs, paths, units):
        """Fit it for another upgrade, after a way back that could not bring back everything: with these packages too.

        Data that were brought back from it are copied once more, as they are now. Those that were not, it still has.
        """
        used = content.get("data", DATA)
        anew = "data-anew" if used == DATA else DATA
        draft = os.path.join(self.folder, anew)
        shutil.rmtree(draft, ignore_errors=True)
        with self._writing(draft, debs, paths):
            content = {**content, "debs": {**content["debs"], **_take(debs, self.folder)}}
            if self.is_used_up(content):
                kept = _copied(paths, draft, units)
                content.update(status=MADE, data=anew, paths=paths, kept=kept, back=[], copied=[])
            reserve(self.folder)
            sync_filesystem(self.folder)
            self.write(content)
        if content.get("data", DATA) != used:
            shutil.rmtree(os.path.join(self.folder, used), ignore_errors=True)

    @contextlib.contextmanager
    def _writing(self, draft, debs, paths):
        try:
            yield
        except OSError as error:
            shutil.rmtree(draft, ignore_errors=True)
            give_back(self.folder)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise RestoreError(no_space(self.base, need_bytes(self.base, debs, paths)[self.base])) from None
            raise RestoreError(f"the restore point cannot be written: {error}") from None

    def is_used_up(self, content):
        """Whether its settings and data have been brought back, so that it has them no longer."""
        return set(content["paths"]) <= set(content.get("back", ()))

    def begin_return(self, content):
        """Mark it: from here on the way leads back, and what is moved aside is of this way alone."""
        give_back(self.folder)
        if content["status"] != RETURNING:
            shutil.rmtree(self.aside, ignore_errors=True)
            content["status"] = RETURNING
            self.write(content)

    def put_back(self, content):
        """Bring settings and data back; what is there now is moved aside. Returns what could not be moved there."""
        data = os.path.join(self.folder, content.get("data", DATA))
        return Exchange(data, self.aside, content, self.write).carry_out()

    def deb(self, content, name):
        """Where a package's former version lies; None where it could not be had."""
        file = content["debs"].get(name)
        return os.path.join(self.folder, "debs", file) if file else None

    def remove(self):
        """Forget it: first its name, so that no half of it is ever taken for one."""
        if os.path.isdir(self.folder):
            shutil.rmtree(self.draft, ignore_errors=True)
            os.rename(self.folder, self.draft)
        shutil.rmtree(self.draft, ignore_errors=True)


def _take(debs, folder):
    """Have the packages in the folder's debs/; returns their files' names by package."""
    for place in debs.values():
        target = os.path.join(folder, "debs", os.path.basename(place))
        if not os.path.exists(target):
            link_or_copy(place, target)
    return {name: os.path.basename(place) for name, place in debs.items()}


def _copied(paths, folder, units):
    """Copy what there is of the paths while the units are stopped; returns what there was."""
    with stopped(units):
        return [path for path in paths if copy(path, folder + path)]


class stopped:  # noqa: N801 (read as a statement: with stopped(units))
    """Units that run are stopped meanwhile: a socket before its service, which it would start again."""

    def __init__(self, units):
        self.units = [unit for unit in map(Unit, units) if unit.exists() and unit.is_active()]

    def __enter__(self):
        for unit in self.units:
            unit.act("stop")

    def __exit__(self, *_error):
        for unit in self.units:
            unit.act("start")


def whole(path, digest):
    """Whether a package's file is there and is what the index says."""
    return os.path.isfile(path) and (not digest or sha256(path) == digest)
