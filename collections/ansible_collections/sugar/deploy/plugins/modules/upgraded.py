#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Installed packages at the versions of the deployment's repository."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: upgraded
short_description: Brings installed packages to the versions of the deployment's repository
description:
  - What dpkg was interrupted in is finished first, also what was half unpacked.
  - Where the repository holds all that the server needs (I(complete)), everything that is installed is upgraded, as
    C(apt-get full-upgrade) does. Otherwise only what the repository offers; Debian's packages are left to
    unattended upgrades.
  - A package goes back to a lower version if a former run has brought the higher one from this repository and no
    source offers it any more, as after a former snapshot has been published again.
  - Packages on hold are left alone.
extends_documentation_fragment:
  - sugar.deploy.foreseen
  - sugar.deploy.package_manager
  - sugar.deploy.state_folder
options:
  name:
    description: The deployment's name; it names the source.
    type: str
    required: true
  step:
    description: Only look what is due, or do it.
    type: str
    choices: [look, change]
    required: true
  complete:
    description: Whether the repository is the server's only source.
    type: bool
    default: false
  offered:
    description: For check mode. Names and versions of a repository that is not attached yet.
    type: list
    elements: list
    default: []
author:
  - sugar-deploy
"""

EXAMPLES = r"""
- name: See what is due
  sugar.deploy.upgraded:
    name: lima
    step: look
  register: due
"""

RETURN = r"""
changes:
  description: Lists of name, old version and new version; no old one is a new package, no new one a removed package.
  returned: success
  type: list
  elements: list
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sugar.deploy.plugins.module_utils import record
from ansible_collections.sugar.deploy.plugins.module_utils.apt import ENVIRONMENT, Apt
from ansible_collections.sugar.deploy.plugins.module_utils.due import Due, highest
from ansible_collections.sugar.deploy.plugins.module_utils.restore import PIN

PERMITTED = ("--allow-downgrades", "-o", "APT::Get::AutomaticRemove=false")


class Upgrade:
    """What is due, and the doing of it."""

    def __init__(self, module):
        self.module, self.want = module, module.params
        module.run_command_environ_update = ENVIRONMENT
        self.apt = Apt(module.run_command, self.want["lock_seconds"])
        self.source = f"/etc/apt/sources.list.d/{self.want['name']}.sources"

    def mend(self):
        """Finish what was interrupted; returns whether there was something."""
        if not self.apt.interrupted():
            return False
        if not self.module.check_mode:
            complaint = self.apt.finish()
            if complaint is not None:
                self.module.fail_json(msg=complaint, changes=[])
        return True

    def unpin(self):
        """Let a server that was rolled back try again; returns whether it was pinned."""
        pinned = os.path.exists(PIN)
        if pinned and not self.module.check_mode:
            os.unlink(PIN)
        return pinned

    def words(self):
        """apt-get's words for what is due, or None; and in check mode, what they would change."""
        foreseen = self.want["offered"] if self.module.check_mode else []
        offered = foreseen or [(each["Package"], each["Version"]) for each in self.apt.offered(self.source)]
        brought = record.read(self.want["folder"])["packages"]
        due = Due(self.apt, highest(offered, self.apt), self.apt.installed(), brought)
        back = due.downgrades()
        named = back if self.want["complete"] else due.upgrades() + back
        if foreseen:
            return None, due.upgrades() + back
        verb = "full-upgrade" if self.want["complete"] else "install"
        if not named and verb == "install":
            return None, []
        return [verb, *PERMITTED, "--", *(f"{name}={new}" for name, _old, new in named)], named

    def look(self):
        """The changes that are due."""
        words, named = self.words()
        if words is None:
            return named
        changes = self.apt.simulate(words)
        if isinstance(changes, str):
            self.module.fail_json(
                msg=f"The packages cannot be upgraded: {changes}\nNothing was changed. Does the repository hold what "
                "its packages depend on? See `sugar-deploy repo verify`, and `apt-get check` on the server.",
                changes=[],
            )
        return changes

    def change(self):
        """Make them."""
        words, named = self.words()
        if words is None:
            return
        by_hand = set(self.apt.marked_by_hand())
        complaint = self.apt.act(words)
        if complaint is not None:
            self.module.fail_json(msg=f"The packages could not be upgraded: {complaint}", changes=[])
        # Naming a package marks it as asked for by somebody.
        if automatic := [name for name, _old, _new in named if name not in by_hand]:
            self.apt.run(["apt-mark", "auto", *automatic])


def shown(changes):
    """What --diff shows."""
    before = "".join(f"{name} {old}\n" for name, old, _new in changes if old)
    after = "".join(f"{name} {new}\n" for name, _old, new in changes if new)
    return {"before": before, "after": after, "before_header": "packages", "after_header": "packages"}


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "step": {"type": "str", "choices": ["look", "change"], "required": True},
            "complete": {"type": "bool", "default": False},
            "offered": {"type": "list", "elements": "list", "default": []},
            "folder": {"type": "path", "default": "/var/lib/sugar-deploy"},
            "lock_seconds": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    upgrade = Upgrade(module)
    looks = module.params["step"] == "look"
    interrupted = looks and upgrade.mend()
    mended = (looks and upgrade.unpin()) or interrupted
    # In check mode dpkg is still interrupted, and apt refuses to look any further.
    changes = [] if interrupted and module.check_mode else upgrade.look()
    if not looks and changes and not module.check_mode:
        upgrade.change()
    # Looking is no change, except in check mode, where it is what would be changed.
    changed = bool(changes) and (module.check_mode or not looks)
    module.exit_json(changed=changed or mended, changes=changes, diff=[shown(changes)] if changed else [])


if __name__ == "__main__":
    main()
