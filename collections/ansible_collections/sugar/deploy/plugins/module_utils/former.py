# SPDX-License-Identifier: GPL-3.0-or-later
"""The packages in the versions that are installed now, as files: what a server needs to come back to them."""

from __future__ import annotations

import glob
import os
import shutil
import tempfile

from ansible_collections.sugar.deploy.plugins.module_utils.carried import link_or_copy
from ansible_collections.sugar.deploy.plugins.module_utils.offered import packages_of_state
from ansible_collections.sugar.deploy.plugins.module_utils.restore import whole

ARCHIVES = "/var/cache/apt/archives"


class Former:
    """Where former versions are found: in carried states, among kept packages, in apt's cache, at a mirror."""

    def __init__(self, apt, states, kept):
        self.apt = apt
        self.kept = kept
        self.scratch = ""
        self.architecture = apt.architecture()
        self.carried = {}
        for state in states:
            for each in packages_of_state(state, self.architecture):
                self.carried.setdefault((each["Package"], each["Version"]), []).append(each)

    def __enter__(self):
        self.scratch = tempfile.mkdtemp(prefix="sugar-deploy-former-", dir="/var/tmp")
        return self

    def __exit__(self, *_error):
        shutil.rmtree(self.scratch, ignore_errors=True)

    def find(self, name, version):
        """The file of that version, proved where its hash is known; None where it cannot be had."""
        for each in self.carried.get((name, version), []):
            if whole(each["path"], each.get("SHA256")):
                return each["path"]
        for folder in (self.kept, ARCHIVES):
            for path in cached(folder, name, version):
                if self._says(path) == (name, version):
                    return path
        return self._download(name, version)

    def _says(self, path):
        status, output, _error = self.apt.run(["dpkg-deb", "--showformat=${Package}\n${Version}\n", "--show", path])
        return tuple(output.split("\n")[:2]) if status == 0 else ()

    def _download(self, name, version):
        """From a source that still offers it, which apt proves as ever."""
        if version not in self.apt.available(name):
            return None
        before = set(os.listdir(self.scratch))
        status = self.apt.run(["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", f"{name}={version}"],
                              cwd=self.scratch)[0]  # fmt: skip
        new = sorted(set(os.listdir(self.scratch)) - before)
        return os.path.join(self.scratch, new[0]) if status == 0 and new else None


def cached(folder, name, version):
    """Files of a package's version, as apt names them."""
    wanted = version.replace(":", "%3a")
    return sorted(glob.glob(os.path.join(glob.escape(folder), f"{name}_{glob.escape(wanted)}_*.deb")))


def keep(former, versions, folder, fetch):
    """Keep the files of these versions, by name, and no others; FETCH: also those that are only at a mirror."""
    os.makedirs(folder, mode=0o700, exist_ok=True)
    wanted = set()
    for name, version in sorted(versions.items()):
        have = cached(folder, name, version) or cached(ARCHIVES, name, version)
        path = have[0] if have else (former.find(name, version) if fetch else None)
        if path is None:
            continue
        target = os.path.join(folder, os.path.basename(path))
        wanted.add(os.path.basename(path))
        if not os.path.exists(target):
            link_or_copy(path, target)
    for name in os.listdir(folder):
        if name not in wanted:
            os.unlink(os.path.join(folder, name))
