# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings and data brought back from a restore point, path by path; what was there meanwhile is moved aside.

On the restore point's own filesystem both are renamed, which takes no room. Elsewhere the copy is made beside its
place first, and what was there meanwhile is carried over last of all. A path is therefore the former one or the
present one, never half of either; and point.json names those that are back, so that a run that was cut off is carried
on from:

    copied   paths whose copy beside their place is complete
    back     paths that are back, which services have been at work with since
"""

from __future__ import annotations

import errno
import glob
import os
import shutil
import subprocess

from ansible_collections.sugar.deploy.plugins.module_utils.carried import sync_filesystem, sync_folder

COPY = ("cp", "--archive", "--reflink=auto", "--")
# Hidden, so that no service reads them meanwhile.
BESIDE, AWAY = "sugar-deploy-former", "sugar-deploy-meanwhile"
# A filesystem's own, not data.
NOT_OURS = ("lost+found",)


class Exchange:
    """What was before for what is there now. CONTENT is the restore point's, KEEP writes it."""

    def __init__(self, data, aside, content, keep):
        self.data, self.aside, self.content, self.keep = data, aside, content, keep
        self.copied = content.setdefault("copied", [])
        self.back = content.setdefault("back", [])

    def carry_out(self):
        """Bring every path back; returns where something could not be moved aside."""
        for path in self.content["paths"]:
            if path not in self.back:
                for part in self._parts(path):
                    self._bring(part)
                self._note(self.back, path)
        stays = [place for path in self.content["paths"] for place in self._collect(path)]
        os.sync()
        return stays

    def _parts(self, path):
        """The path itself, or where something is mounted, what is in it: that can be renamed, a mount cannot."""
        if not os.path.ismount(path):
            return [path]
        kept = self.data + path
        names = {*os.listdir(path), *(os.listdir(kept) if os.path.isdir(kept) else ())} - {*NOT_OURS}
        return sorted(os.path.join(path, name) for name in names if not _is_draft(name))

    def _bring(self, path):
        if not self._was_there(path):
            self._away(path)
            return
        former = self._beside(path)
        if os.path.lexists(former):  # Otherwise it was renamed into its place just before the plug was pulled.
            self._away(path)
            rename(former, path)

    def _was_there(self, path):
        if path in self.content["paths"]:
            return path in self.content["kept"]
        return os.path.lexists(self.data + path)

    def _beside(self, path):
        """What was there before, on the filesystem where it belongs."""
        kept, beside = self.data + path, draft(path, BESIDE)
        if os.path.lexists(kept) and path not in self.copied:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            if os.path.lexists(beside):
                remove(beside)
            if not renamed(kept, beside):
                copy(kept, beside)
                sync_filesystem(os.path.dirname(path))
                self._note(self.copied, path)
        return beside

    def _away(self, path):
        if not os.path.lexists(path):
            return
        target = unused(self.aside + path)
        os.makedirs(self.aside, mode=0o700, exist_ok=True)
        os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
        if not renamed(path, target) and not renamed(path, unused(draft(path, AWAY))):
            # An overlay does not rename the folders of its lower layer, not even there.
            carry_over(path, target)

    def _collect(self, path):
        """Carry what was moved aside on another filesystem over to the rest; returns what stays where it is."""
        pattern = draft(os.path.join(glob.escape(path), "*") if os.path.ismount(path) else glob.escape(path), AWAY)
        stays = []
        for place in sorted(glob.glob(pattern + "*")):
            folder, name = os.path.split(place)
            target = unused(self.aside + os.path.join(folder, name[1:].split(f".{AWAY}")[0]))
            try:
                os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
                carry_over(place, target)
            except OSError:
                stays.append(place)
        return stays

    def _note(self, done, path):
        done.append(path)
        self.keep(self.content)


def draft(path, ending):
    """A hidden name beside a path."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{ending}")


def _is_draft(name):
    return name.startswith(".") and (BESIDE in name or AWAY in name)


def unused(path):
    """The path, or where something is there already, one like it: nothing that was moved aside is lost."""
    number, found = 1, path
    while os.path.lexists(found):
        number += 1
        found = f"{path}~{number}"
    return found


def rename(source, target):
    """Rename, and have it on the disk before anything is built on it."""
    os.rename(source, target)
    sync_folder(os.path.dirname(target))
    sync_folder(os.path.dirname(source))


def renamed(source, target):
    """Rename, where both are on one filesystem; returns whether they are."""
    try:
        rename(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return False
    return True


def carry_over(source, target):
    """Move to another filesystem: the source goes when the whole of it is there."""
    folder, name = os.path.split(target)
    half = os.path.join(folder, f".{name}.half")
    copy(source, half)
    sync_filesystem(folder)
    rename(half, target)
    remove(source)


def remove(path):
    """Remove a file or folder."""
    (shutil.rmtree if os.path.isdir(path) and not os.path.islink(path) else os.unlink)(path)


def copy(source, target):
    """Copy a file or folder with its owners, modes and times; returns whether it was there."""
    if not os.path.lexists(source):
        return False
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    if os.path.lexists(target):
        remove(target)
    done = subprocess.run([*COPY, source, target], capture_output=True, check=False, env=dict(os.environ, LC_ALL="C"))
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip()
        number = errno.ENOSPC if "No space left" in said else errno.EIO
        raise OSError(number, said.splitlines()[-1] if said else "cannot be copied", source)
    return True
