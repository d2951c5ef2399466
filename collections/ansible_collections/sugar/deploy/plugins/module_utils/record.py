# SPDX-License-Identifier: GPL-3.0-or-later
"""What the last good run left on a server: the snapshot, and the versions that it brought."""

from __future__ import annotations

import json
import os

from ansible_collections.sugar.deploy.plugins.module_utils.files import write

FILE = "proved.json"
JOURNAL = "journal.json"
LAST_PHASE = "sugar_server"


def read(folder):
    """The record; empty where there is none, as on a server that was never deployed to the end."""
    try:
        with open(os.path.join(folder, FILE), encoding="utf-8") as file:
            found = json.load(file)
        return {"snapshot": str(found["snapshot"]), "packages": dict(found["packages"])}
    except (OSError, ValueError, KeyError, TypeError):
        return {"snapshot": "", "packages": {}}


def keep(folder, snapshot, packages):
    """Replace the record where it differs."""
    content = {"snapshot": snapshot, "packages": packages}
    if read(folder) != content or not os.path.exists(os.path.join(folder, FILE)):
        data = json.dumps(content, indent=1, sort_keys=True).encode()
        write(os.path.join(folder, FILE), data, 0o644, os.geteuid(), os.getegid())


def is_in_service(folder):
    """Whether a run has ever been completed here, so that there is something to come back to."""
    if os.path.exists(os.path.join(folder, FILE)):
        return True
    try:
        with open(os.path.join(folder, JOURNAL), encoding="utf-8") as file:
            return LAST_PHASE in json.load(file)["phases"]
    except (OSError, ValueError, KeyError, TypeError):
        return False


def forget_journal(folder):
    """Have no later run believe that the phases of the new state are done."""
    path = os.path.join(folder, JOURNAL)
    if os.path.exists(path):
        os.unlink(path)
