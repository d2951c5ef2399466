#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several systemd units in one step: each started and seen to come up, or stopped."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: units
short_description: Starts units and has them started at boot, or stops them
description:
  - What M(sugar.deploy.service_config) does for a service without files, for several units one after the other.
  - Ends at the first unit that does not come up or cannot be stopped.
extends_documentation_fragment:
  - sugar.deploy.foreseen
options:
  name:
    description: The units, in the order in which they are started or stopped.
    type: list
    elements: str
    required: true
  state:
    description: Whether they shall run, and be started at boot.
    type: str
    choices: [started, stopped]
    default: started
  previous:
    description: Folder in which M(sugar.deploy.service_config) keeps services' former files.
    type: path
    default: /var/lib/sugar-deploy/previous
author:
  - sugar-deploy
"""

EXAMPLES = r"""
- name: Have the backups wait for laptops
  sugar.deploy.units:
    name: [sugar-server-backup.socket, sugar-server-purge.timer]
"""

RETURN = r"""
moved:
  description: Units that were (or would be) started or stopped.
  returned: always
  type: list
  elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sugar.deploy.plugins.module_utils.change import Change, Failed
from ansible_collections.sugar.deploy.plugins.module_utils.files import ConfigError
from ansible_collections.sugar.deploy.plugins.module_utils.previous import Previous
from ansible_collections.sugar.deploy.plugins.module_utils.unit import Health, Unit


def change_of(unit, running, previous):
    """What there is to do for a unit, as it is now: what moved one before may have moved it."""
    service = os.path.splitext(unit)[0]
    health = Health(steady_seconds=0)
    return Change(service, [], Unit(unit), Previous(service, previous), health, running=running, enabled=running)


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
            "previous": {"type": "path", "default": "/var/lib/sugar-deploy/previous"},
        },
        supports_check_mode=True,
    )
    want = module.params
    moved, diff = [], []
    try:
        for unit in want["name"]:
            change = change_of(unit, want["state"] == "started", want["previous"])
            if not change.needed:
                continue
            diff += change.diff()
            if not module.check_mode:
                change.carry_out()
            moved.append(unit)
    except Failed as failed:
        module.fail_json(msg=str(failed), moved=moved, changed=bool(moved), **failed.facts)
    except (ConfigError, OSError) as error:
        module.fail_json(msg=f"{unit}: {error}", moved=moved, changed=bool(moved))
    module.exit_json(changed=bool(moved), moved=moved, diff=diff)


if __name__ == "__main__":
    main()
