# SPDX-License-Identifier: GPL-3.0-or-later
"""A restore point: what a server was before an upgrade, kept until the upgrade is proved.

    restore-point/point.json   what was installed, what ran, what was copied
    restore-point/debs/        the packages in their former versions
    restore-point/data/        settings and data, under their full paths

It is made in a folder of another name, and gets this one when it is complete and on the disk; so a restore point is
whole or there is none. While there is one, the upgrade is unproved.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess

from ansible_collections.sugar.deploy.plugins.module_utils.carried import (
    link_or_copy,
    megabytes,
    sha256,
    sync_filesystem,
    sync_folder,
)
from ansible_collections.sugar.deploy.plugins.module_utils.files import write
from ansible_collections.sugar.deploy.plugins.module_utils.unit import Unit

PIN = "/etc/apt/preferences.d/sugar-deploy-rolled-back"
MARGIN_BYTES = 64 << 20
MADE, RETURNING = "made", "returning"
COPY = ("cp", "--archive", "--reflink=auto", "--")


class RestoreError(Exception):
    """The restore point cannot be made or used; the message says why."""


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
        try:
            os.makedirs(os.path.join(self.draft, "debs"), mode=0o700)
            os.chmod(self.draft, 0o700)
            for place in debs.values():
                link_or_copy(place, os.path.join(self.draft, "debs", os.path.basename(place)))
            with stopped(units):
                kept = [path for path in paths if copy(path, os.path.join(self.draft, "data") + path)]
            named = {name: os.path.basename(place) for name, place in debs.items()}
            self.write({**content, "status": MADE, "paths": paths, "kept": kept, "debs": named}, self.draft)
            sync_filesystem(self.draft)
            os.rename(self.draft, self.folder)
        except OSError as error:
            shutil.rmtree(self.draft, ignore_errors=True)
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise RestoreError(no_space(self.base, need_bytes(debs, paths))) from None
            raise RestoreError(f"the restore point cannot be written: {error}") from None
        sync_folder(self.base)

    def put_back(self, content):
        """Bring settings and data back; what is there now is moved aside, not removed."""
        shutil.rmtree(self.aside, ignore_errors=True)
        for path in content["paths"]:
            if os.path.lexists(path):
                target = self.aside + path
                os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
                shutil.move(path, target)
            if path in content["kept"]:
                copy(os.path.join(self.folder, "data") + path, path)
        if os.path.isdir(self.aside):
            os.chmod(self.aside, 0o700)
        os.sync()

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


def copy(source, target):
    """Copy a file or folder with its owners, modes and times; returns whether it was there."""
    if not os.path.lexists(source):
        return False
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    if os.path.lexists(target):
        (shutil.rmtree if os.path.isdir(target) and not os.path.islink(target) else os.unlink)(target)
    done = subprocess.run([*COPY, source, target], capture_output=True, check=False, env=dict(os.environ, LC_ALL="C"))
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()
        number = errno.ENOSPC if "No space left" in said else errno.EIO
        raise OSError(number, said.splitlines()[-1] if said else "cannot be copied", source)
    return True


def need_bytes(debs, paths):
    """What a restore point takes at most."""
    return sum(map(_size, paths)) + sum(os.path.getsize(place) for place in debs.values())


def _size(path):
    if not os.path.isdir(path) or os.path.islink(path):
        return os.lstat(path).st_size if os.path.lexists(path) else 0
    # Small files take whole blocks.
    return sum(
        os.lstat(os.path.join(folder, name)).st_size + 4096
        for folder, names, files in os.walk(path)
        for name in names + files
    )


def no_space(folder, need):
    """The complaint."""
    found = os.statvfs(folder)
    free = found.f_bavail * found.f_frsize
    return (
        f"there is not enough free space in {folder} for a restore point: {megabytes(need)} MB are needed and "
        f"{megabytes(free)} MB are free"
    )


def require_space(folder, debs, paths):
    """Raise RestoreError before anything is stopped or copied."""
    need = need_bytes(debs, paths)
    found = os.statvfs(folder)
    if found.f_bavail * found.f_frsize < need + MARGIN_BYTES:
        raise RestoreError(no_space(folder, need + MARGIN_BYTES))


def whole(path, digest):
    """Whether a package's file is there and is what the index says."""
    return os.path.isfile(path) and (not digest or sha256(path) == digest)
