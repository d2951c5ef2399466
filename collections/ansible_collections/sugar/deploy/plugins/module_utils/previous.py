# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration that a service last came up with, kept until the next one is proved."""

from __future__ import annotations

import hashlib
import json
import os
import time

from ansible_collections.sugar.deploy.plugins.module_utils.files import (
    ConfigError,
    read_state,
    restore,
    sync_folder,
    write,
)


class Previous:
    """The files as they were before a change, and a mark that stands while the change is unproved.

    The mark is on disk before the first file is changed and goes when the service is proved. A run that finds
    it knows that the plug was pulled in between: what is on disk then is not to be relied on, and what is to be
    put back when things fail is what the mark names.
    """

    def __init__(self, service, base):
        self.folder = os.path.join(base, service)
        self.mark = os.path.join(self.folder, "pending.json")

    def pending(self):
        """The unproved change's record, or None."""
        try:
            with open(self.mark, encoding="utf-8") as file:
                record = json.load(file)
            return {"active": bool(record["active"]), "files": dict(record["files"])}
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            raise ConfigError(
                f"{self.mark} is damaged. Look at the service's configuration, then remove that file"
            ) from None

    def keep(self, paths, active):
        """Keep the files as they are now (or as an earlier, unproved change found them) and set the mark."""
        earlier = self.pending() or {"active": active, "files": {}}
        os.makedirs(self.folder, mode=0o700, exist_ok=True)
        os.chmod(self.folder, 0o700)
        files = dict(earlier["files"])
        for path in paths:
            if path not in files:
                files[path] = self._keep_one(read_state(path))
        record = {"active": earlier["active"], "since": int(time.time()), "files": files}
        write(self.mark, json.dumps(record, indent=1, sort_keys=True).encode(), 0o600, os.getuid(), os.getgid())
        self._forget_others(files)

    def _keep_one(self, state):
        if state["kind"] != "file":
            return state
        name = hashlib.sha256(state["content"]).hexdigest()
        write(os.path.join(self.folder, name), state["content"], 0o600, os.getuid(), os.getgid())
        return {"kind": "file", "copy": name, "mode": state["mode"], "uid": state["uid"], "gid": state["gid"]}

    def _forget_others(self, files):
        needed = {state["copy"] for state in files.values() if state["kind"] == "file"}
        for name in os.listdir(self.folder):
            if name not in needed and not name.endswith(".json"):
                os.unlink(os.path.join(self.folder, name))

    def put_back(self):
        """Bring every file back to what it was."""
        for path, state in sorted(self.pending()["files"].items()):
            restore(path, self._whole(state))

    def _whole(self, state):
        if state["kind"] != "file":
            return state
        with open(os.path.join(self.folder, state["copy"]), "rb") as file:
            return dict(state, content=file.read())

    def proved(self):
        """Take the mark away; the previous files stay, for whoever wants to look at them."""
        if os.path.exists(self.mark):
            os.rename(self.mark, os.path.join(self.folder, "previous.json"))
            sync_folder(self.folder)
