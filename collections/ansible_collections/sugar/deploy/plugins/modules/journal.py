#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""The host's own record of the phases that have been applied to it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: journal
short_description: Keeps the host's record of applied phases
description:
  - Keeps C(/var/lib/sugar-deploy/journal.json), which tells a resumed run what this host has already been given.
  - A phase is removed from the record when it begins and enters it when it is done, so a phase that was cut off
    is never taken for done. A record from another machine (a copied disk) is not read.
  - Where one phase is done the next one begins, in one step.
  - The record is about runs, not about the host's configuration, so keeping it is never reported as a change.
options:
  state:
    description: For C(begun), the run's first phase begins; for C(done), a phase is done.
    type: str
    choices: [begun, done]
    required: true
  phases:
    description: For C(begun), all phases in their order.
    type: list
    elements: str
  hashes:
    description: Hashes of the phases' inputs, for those that have one.
    type: dict
    default: {}
  resumes:
    description: Runs that this one carries on. What they have recorded, with the same hash, is left out.
    type: list
    elements: str
    default: []
  phase:
    description: For C(done), the phase that is done.
    type: str
  next:
    description: For C(done), the phase that begins now, unless that was the last.
    type: str
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
    hashes:
      presence: 5feceb66ffc86f38
    run: 20260101T120000Z-apply
    next: sugar_server
"""

RETURN = r"""
phases:
  description: For each phase that is done, its hash, run and time (UTC).
  returned: always
  type: dict
to_apply:
  description: The phases that this run applies, in their order.
  returned: for I(state=begun)
  type: list
  elements: str
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


def left_to_apply(recorded, want):
    """The phases without those that the runs which are carried on have recorded here, with the same inputs."""
    return [
        phase
        for phase in want["phases"]
        if not want["hashes"].get(phase)
        or recorded.get(phase, {}).get("hash") != want["hashes"][phase]
        or recorded[phase].get("run") not in want["resumes"]
    ]


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["begun", "done"], "required": True},
            "phases": {"type": "list", "elements": "str"},
            "hashes": {"type": "dict", "default": {}},
            "resumes": {"type": "list", "elements": "str", "default": []},
            "phase": {"type": "str"},
            "next": {"type": "str"},
            "run": {"type": "str", "default": ""},
            "path": {"type": "path", "default": "/var/lib/sugar-deploy/journal.json"},
        },
        required_if=[("state", "begun", ("phases",)), ("state", "done", ("phase",))],
        supports_check_mode=True,
    )
    want = module.params
    phases = read(want["path"])
    before = dict(phases)
    result = {}
    if want["state"] == "begun":
        result["to_apply"] = left_to_apply(phases, want)
        begins = result["to_apply"][0] if result["to_apply"] else None
    else:
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        phases[want["phase"]] = {"hash": want["hashes"].get(want["phase"], ""), "run": want["run"], "time": now}
        begins = want["next"]
    phases.pop(begins, None)
    if phases != before and not module.check_mode:
        try:
            write(want["path"], phases)
        except OSError as error:
            module.fail_json(msg=f"cannot write {want['path']}: {error.strerror}. Free some space on that disk.")
    module.exit_json(changed=False, phases=phases, **result)


if __name__ == "__main__":
    main()
