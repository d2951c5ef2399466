#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own record of the phases that have been applied to it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: journal
short_description: Reads and keeps the host's record of applied phases
description:
  - Keeps C(/var/lib/sugar-deploy/journal.json), which tells a resumed run what this host has already been given.
  - A phase is removed from the record when it begins and enters it when it is done, so a phase that was cut off
    is never taken for done. A record from another machine (a copied disk) is not read.
  - The record is about runs, not about the host's configuration, so keeping it is never reported as a change.
options:
  state:
    description: What to do.
    type: str
    choices: [read, begun, done]
    required: true
  phase:
    description: Name of the phase, for C(begun) and C(done).
    type: str
  hash:
    description: Hash of the phase's inputs; empty when the run has none.
    type: str
    default: ""
  run:
    description: Identifies the run.
    type: str
    default: ""
  path:
    description: The record's file.
    type: path
    default: /var/lib/sugar-deploy/journal.json
author:
  - sugar-deploy
"""

EXAMPLES = r"""
- name: Record the phase
  sugar.deploy.journal:
    state: done
    phase: presence
    hash: 5feceb66ffc86f38
    run: 20260101T120000Z-apply
"""

RETURN = r"""
phases:
  description: For each phase that is done, its hash, run and time (UTC).
  returned: always
  type: dict
"""

import json
import os
import tempfile
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule


def machine_id():
    """This installation's identity; empty where the system has none yet."""
    try:
        with open("/etc/machine-id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def read(path):
    """The recorded phases; none if the record is missing, damaged, or of another machine."""
    try:
        with open(path, encoding="utf-8") as file:
            record = json.load(file)
        if record["machine_id"] == machine_id() and isinstance(record["phases"], dict):
            return record["phases"]
    except (OSError, ValueError, KeyError, TypeError):
        pass
    return {}


def write(path, phases):
    """Replace the record so that a power cut leaves the old one or the new one."""
    folder = os.path.dirname(path)
    os.makedirs(folder, mode=0o755, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=".journal-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump({"machine_id": machine_id(), "phases": phases}, file, indent=1, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    folder_descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(folder_descriptor)
    finally:
        os.close(folder_descriptor)


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["read", "begun", "done"], "required": True},
            "phase": {"type": "str"},
            "hash": {"type": "str", "default": ""},
            "run": {"type": "str", "default": ""},
            "path": {"type": "path", "default": "/var/lib/sugar-deploy/journal.json"},
        },
        required_if=[("state", "begun", ("phase",)), ("state", "done", ("phase",))],
        supports_check_mode=True,
    )
    want = module.params
    phases = read(want["path"])
    before = dict(phases)
    if want["state"] == "begun":
        phases.pop(want["phase"], None)
    elif want["state"] == "done":
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        phases[want["phase"]] = {"hash": want["hash"], "run": want["run"], "time": now}
    if phases != before and not module.check_mode:
        try:
            write(want["path"], phases)
        except OSError as error:
            module.fail_json(msg=f"cannot write {want['path']}: {error.strerror}. Free some space on that disk.")
    module.exit_json(changed=False, phases=phases)


if __name__ == "__main__":
    main()
