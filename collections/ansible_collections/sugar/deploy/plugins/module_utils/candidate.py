# SPDX-License-Identifier: GPL-3.0-or-later
"""The candidate: a service's configuration as a whole, as it would be, shown to the service's own checker."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile

from ansible_collections.sugar.deploy.plugins.module_utils.files import ConfigError

CHECK_SECONDS = 120

# Binds each staged tree over the real one in a mount namespace of its own, then becomes the checker, which so
# reads the candidate under the very paths that the service will read.
IN_PLACE = 'while [ "$1" != -- ]; do mount --bind "$1" "$2" || exit 125; shift 2; done; shift; exec "$@"'


class Candidate:
    """A staged copy of the service's configuration trees with the wanted files in them."""

    def __init__(self, wanted, trees, staging="/run"):
        self.wanted = wanted
        folders = list(trees) or sorted({os.path.dirname(file.path) for file in wanted})
        self.trees = [tree for tree in folders if not any(_below(tree, other) for other in folders)]
        self.staging = staging

    def check(self, argv):
        """Run the checker; returns its complaint, or None when it has none."""
        os.makedirs(self.staging, exist_ok=True)
        root = tempfile.mkdtemp(prefix="sugar-deploy-candidate-", dir=self.staging)
        try:
            self._stage(root)
            for command in self._commands(argv, root):
                complaint = _run(command)
                if complaint is not None:
                    # Say the path that the deployer knows, not that of the staged copy.
                    return complaint.replace(root, "")
            return None
        finally:
            shutil.rmtree(root, ignore_errors=True)

    def _stage(self, root):
        for tree in self.trees:
            if os.path.isdir(tree):
                _copy_tree(tree, root + tree)
            elif os.path.isfile(tree):
                os.makedirs(os.path.dirname(root + tree), exist_ok=True)
                _copy_file(tree, root + tree)
        for file in self.wanted:
            staged = root + file.path
            if os.path.lexists(staged):
                os.unlink(staged)
            if file.content is not None:
                os.makedirs(os.path.dirname(staged), mode=0o755, exist_ok=True)
                with open(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                    out.write(file.content)
                uid, gid = file.ids()
                if uid is not None and gid is not None:
                    os.chown(staged, uid, gid)
                os.chmod(staged, file.mode)

    def _commands(self, argv, root):
        if any("{path}" in word for word in argv):
            present = [root + file.path for file in self.wanted if file.content is not None]
            return [[word.replace("{path}", path) for word in argv] for path in present]
        if any("{root}" in word for word in argv):
            return [[word.replace("{root}", root) for word in argv]]
        binds = [word for tree in self.trees if os.path.exists(tree) for word in (root + tree, tree)]
        user = [] if os.geteuid() == 0 else ["--map-root-user"]
        unshare = ["unshare", *user, "--mount", "--propagation", "private"]
        return [[*unshare, "sh", "-c", IN_PLACE, "sh", *binds, "--", *argv]]


def _below(path, other):
    return path != other and path.startswith(other.rstrip("/") + "/")


def _copy_file(source, target):
    shutil.copy2(source, target, follow_symlinks=False)
    found = os.lstat(source)
    os.chown(target, found.st_uid, found.st_gid, follow_symlinks=False)
    return target


def _copy_tree(source, target):
    os.makedirs(os.path.dirname(target), exist_ok=True)
    shutil.copytree(source, target, symlinks=True, copy_function=_copy_file)
    for folder, _names, _files in os.walk(target):
        found = os.stat(source + folder[len(target) :])
        os.chown(folder, found.st_uid, found.st_gid)


def _run(argv):
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            timeout=CHECK_SECONDS, check=False, env=dict(os.environ, LC_ALL="C.UTF-8"),
        )  # fmt: skip
    except FileNotFoundError:
        raise ConfigError(f"the checker {argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        return f"the checker did not end within {CHECK_SECONDS} seconds"
    if done.returncode == 0:
        return None
    return done.stdout.decode("utf-8", "replace").strip() or f"the checker ended with status {done.returncode}"
