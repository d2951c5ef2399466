#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's side of a school's backup and of its restore onto new hardware."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: school_copy
short_description: Saves what only a school's server knows, and brings it onto new hardware
description:
  - What is small (settings, keys, accounts, databases) travels as one archive, which this module packs while services
    go on, and unpacks with owners by their names. What is large travels as trees, by rsync.
  - The action plugin of the same name, which runs on the deployer's machine, calls the steps of this module and moves
    archive and trees in between. Its arguments are C(state) (C(saved) or C(restored)), C(folder) (the school's folder
    in the backup), C(keeps) (what roles keep), C(check) and C(replace).
extends_documentation_fragment:
  - sugar.deploy.state_folder
options:
  step:
    description: The step.
    type: str
    choices: [look, pack, clear, let_in, put]
    required: true
  paths:
    description: Settings and data that are packed.
    type: list
    elements: path
    default: []
  bulk:
    description: Trees that are not packed.
    type: list
    elements: path
    default: []
  units:
    description: Services that are stopped while their data are exchanged, in the order of stopping.
    type: list
    elements: str
    default: []
  packages:
    description: Packages whose versions tell what wrote the data.
    type: list
    elements: str
    default: []
  signs:
    description: What tells that a server is in use, as C(files) (patterns) and C(tables) (by their SQLite file).
    type: dict
    default: {}
  backup:
    description: The backup's manifest.
    type: dict
    default: {}
  replace:
    description: Whether a server's own data may be moved aside.
    type: bool
    default: false
author:
  - sugar-deploy
"""

EXAMPLES = r"""
- name: Save what only this server knows
  sugar.deploy.school_copy:
    state: saved
    folder: /srv/backups/san-martin
    keeps: "{{ sugar_deploy_keeps }}"
"""

RETURN = r"""
status:
  description: With C(let_in), C(already) where the server has this very backup, C(arriving) or C(placing).
  returned: with let_in
  type: str
replaced:
  description: Where former data are now.
  returned: with put
  type: list
  elements: str
"""

import os
import shutil

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sugar.deploy.plugins.module_utils import bulk, statepack
from ansible_collections.sugar.deploy.plugins.module_utils.files import ConfigError
from ansible_collections.sugar.deploy.plugins.module_utils.newhardware import (
    PLACING,
    Arrival,
    RefusedError,
    installed,
)


class Steps:
    """What the module does, step by step."""

    def __init__(self, module):
        self.module, self.want = module, module.params
        self.signs = {"files": [], "tables": {}, **self.want["signs"]}
        self.copy = os.path.join(self.want["folder"], "copy")
        self.arrival = Arrival(self.want["folder"])

    def look(self):
        """What there is to save, and which programs wrote it."""
        pending = self.arrival.pending()
        if pending and pending["status"] == PLACING:
            raise RefusedError(f"a restore of {pending['made_at']} is half done here: restore that to its end first")
        trees = [tree for tree in self.want["bulk"] if os.path.isdir(tree)]
        if trees and shutil.which("rsync") is None:
            raise RefusedError("rsync is not installed on the server: apt-get install rsync")
        for path in self.signs["tables"]:
            if os.path.isdir(os.path.dirname(path)) and not os.path.exists(path):
                self.module.warn(f"there is no {path}: tables that are kept elsewhere are not in this backup")
        with open("/etc/machine-id", encoding="ascii") as file:
            machine = file.read().strip()
        versions = installed(self.want["packages"])
        return {"trees": trees, "versions": versions, "machine": machine, "restored": self.arrival.restored()}

    def pack(self):
        """The archive, ready to be fetched."""
        os.makedirs(self.want["folder"], mode=0o755, exist_ok=True)
        size, digest = statepack.pack(self.want["paths"], self.copy)
        return {"archive": os.path.join(self.copy, statepack.NAME), "size": size, "sha256": digest}

    def clear(self):
        """Nothing of it stays on the server."""
        shutil.rmtree(self.copy, ignore_errors=True)
        return {}

    def let_in(self):
        """Whether the backup may come, and where to."""
        backup = self.want["backup"]
        status = self.arrival.let_in(backup, self.signs, self.want["replace"])
        if status != "arriving":
            return {"status": status}
        trees = [
            {"path": tree["path"], "place": bulk.begin(tree["path"]), "owner": bulk.owner(tree["path"])}
            for tree in backup["bulk"]
        ]
        return {"status": status, "archive": self.arrival.archive, "trees": trees}

    def put(self):
        """What has arrived, in its place."""
        want = self.want
        placed = self.arrival.put_in_place(want["backup"], want["units"], self.signs, want["replace"])
        return {"replaced": placed}


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "step": {"type": "str", "choices": ["look", "pack", "clear", "let_in", "put"], "required": True},
            "paths": {"type": "list", "elements": "path", "default": []},
            "bulk": {"type": "list", "elements": "path", "default": []},
            "units": {"type": "list", "elements": "str", "default": []},
            "packages": {"type": "list", "elements": "str", "default": []},
            "signs": {"type": "dict", "default": {}},
            "backup": {"type": "dict", "default": {}},
            "replace": {"type": "bool", "default": False},
            "folder": {"type": "path", "default": "/var/lib/sugar-deploy"},
        }
    )
    try:
        result = getattr(Steps(module), module.params["step"])()
    except (RefusedError, statepack.StateError, ConfigError) as error:
        module.fail_json(msg=f"{error}.")
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename or 'the server'}: {error.strerror or error}. Look at that file system, then run "
            "this again: it goes on from there. Services that were stopped stay so until then."
        )
    module.exit_json(changed=module.params["step"] == "put", **result)


if __name__ == "__main__":
    main()
