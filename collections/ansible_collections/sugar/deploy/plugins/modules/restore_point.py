#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a server was before an upgrade, and the way back to it."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: restore_point
short_description: Keeps what a server was before an upgrade, until the upgrade is proved
description:
  - C(made) records the installed versions, keeps the packages of those that are about to change, and copies settings
    and data while their services are stopped for a moment. Room on the disk is made sure of first, for the way back
    too. A restore point that is there already is kept as it is, because what runs since then is unproved. On a server
    that was never deployed to the end there is nothing to come back to, and none is made.
  - C(returned) brings back repository, packages, settings, data and services, and says so in C(message). What is
    there meanwhile, data above all, is moved to C(/var/lib/sugar-deploy/rolled-back). A restore point is kept as long
    as packages are not back or a service does not come up with them, and the next run tries again.
  - C(dropped) is the end of a good run. It forgets the restore point and every state of the carried repository but
    the one in use, and records what is installed now as proved.
extends_documentation_fragment:
  - sugar.deploy.package_manager
  - sugar.deploy.state_folder
options:
  state:
    description: What to do.
    type: str
    choices: [read, made, returned, dropped]
    required: true
  name:
    description: The deployment's name; it names the repository's source.
    type: str
    required: true
  uri:
    description: Where the repository is; empty for the carried one.
    type: str
    default: ""
  complete:
    description: Whether the repository is the server's only source.
    type: bool
    default: false
  changes:
    description: Lists of name, old version and new version of what is about to change.
    type: list
    elements: list
    default: []
  units:
    description: The services that a restore point is about, in the order in which they are stopped.
    type: list
    elements: str
    default: []
  paths:
    description: Their settings and data.
    type: list
    elements: path
    default: []
  only_unfinished:
    description: With C(returned), only go on with a return that was cut off.
    type: bool
    default: false
attributes:
  check_mode:
    support: full
author:
  - sugar-deploy
"""

EXAMPLES = r"""
- name: Come back from an upgrade that failed
  sugar.deploy.restore_point:
    state: returned
    name: lima
"""

RETURN = r"""
exists:
  description: Whether there is a restore point now, or would be.
  returned: always
  type: bool
message:
  description: What happened.
  returned: when something was brought back
  type: str
snapshot:
  description: The snapshot that was brought back.
  returned: when something was brought back
  type: str
"""

import contextlib
import os
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sugar.deploy.plugins.module_utils import record
from ansible_collections.sugar.deploy.plugins.module_utils.apt import ENVIRONMENT, Apt
from ansible_collections.sugar.deploy.plugins.module_utils.carried import States
from ansible_collections.sugar.deploy.plugins.module_utils.comeback import Comeback, at_work, rolled_back
from ansible_collections.sugar.deploy.plugins.module_utils.files import ConfigError
from ansible_collections.sugar.deploy.plugins.module_utils.former import Former, keep
from ansible_collections.sugar.deploy.plugins.module_utils.previous import Previous
from ansible_collections.sugar.deploy.plugins.module_utils.restore import (
    RETURNING,
    Point,
    RestoreError,
)
from ansible_collections.sugar.deploy.plugins.module_utils.room import require_space


class Keeper:
    """Everything that the module's states need."""

    def __init__(self, module):
        self.module, self.want = module, module.params
        module.run_command_environ_update = ENVIRONMENT
        self.apt = Apt(module.run_command, self.want["lock_seconds"])
        self.folder = self.want["folder"]
        self.point = Point(self.folder)
        self.states = States(self.folder)
        self.previous = Previous("repository", os.path.join(self.folder, "previous"))
        self.source = f"/etc/apt/sources.list.d/{self.want['name']}.sources"
        self.kept = os.path.join(self.folder, "packages")

    def read(self):
        """Whether there is one."""
        content = self.point.read()
        return {"changed": False, "exists": content is not None}

    def made(self):
        """Make it, if something is to change and there is something to come back to."""
        content = self.point.read()
        if content is not None:
            # One that a way back could not do without has to fit this upgrade.
            if content["status"] == RETURNING and self.want["changes"] and not self.module.check_mode:
                self._renew(content)
            return self.read()
        if not self.want["changes"] or not record.is_in_service(self.folder):
            return self.read()
        if not self.module.check_mode:
            self._make()
        # In check mode as well: it tells the roles that their services will come up anew.
        return {"changed": True, "exists": True}

    def _make(self):
        installed = {f"{name}:{arch}": version for (name, arch), version in self.apt.installed().items()}
        paths = sorted(set(self.want["paths"]))
        with self._former(self.want["changes"]) as debs:
            require_space(self.folder, debs, paths)
            content = {
                "format": 1,
                "made_at": int(time.time()),
                "snapshot": self._former_snapshot(),
                "installed": installed,
                "by_hand": self.apt.marked_by_hand(),
                "changes": self.want["changes"],
                "units": self.want["units"],
                "running": at_work(self.want["units"]),
            }
            self.point.make(content, debs, paths, self.want["units"])

    def _renew(self, content):
        units, changes = self.want["units"], self.want["changes"]
        paths = sorted(set(self.want["paths"]))
        running = sorted({*content["running"], *at_work(units)})
        # A package that has not come back is none to come back to.
        was = {key.split(":")[0]: version for key, version in content["installed"].items()}
        with self._former([each for each in changes if was.get(each[0].split(":")[0]) == each[1]]) as debs:
            require_space(self.folder, debs, paths if self.point.is_used_up(content) else [])
            content = {**content, "units": units, "running": running, "changes": content["changes"] + changes}
            self.point.renew(content, debs, paths, units)

    @contextlib.contextmanager
    def _former(self, changes):
        """The packages that these changes replace, as files by name."""
        with Former(self.apt, self.states.all(), self.kept) as former:
            found = {name.split(":")[0]: former.find(name.split(":")[0], old) for name, old, _new in changes if old}
            yield {name: place for name, place in found.items() if place}

    def _former_snapshot(self):
        """The snapshot that the server has been proved with: of the state that an unproved one has replaced."""
        pending = (self.previous.pending() or {"files": {}})["files"]
        state = pending.get(self.states.link, {}).get("target") or self.states.in_use()
        return snapshot_of(state) or record.read(self.folder)["snapshot"]

    def returned(self):
        """Bring everything back."""
        content = self.point.read()
        nothing = {"changed": False, "exists": content is not None, "message": "", "snapshot": ""}
        if self.want["only_unfinished"] and (content is None or content["status"] != RETURNING):
            return nothing
        if content is None:
            return {**nothing, "changed": self._repository_returned()}
        left, unfinished = [], False
        if not self.module.check_mode:
            failed = self.states.in_use()
            comeback = Comeback(self.apt, self.point, self.previous, self.source, not self.want["uri"])
            left, unfinished = comeback.carry_out(), comeback.unfinished
            # The state that failed is kept for the next try, those of earlier tries are not.
            self.states.remove_others({self.states.in_use(), failed})
        message = rolled_back(content["snapshot"], left, unfinished)
        if unfinished and self.want["only_unfinished"]:
            # The run goes on: with another snapshot the upgrade may well succeed.
            self.module.warn(message)
        return {"changed": True, "exists": unfinished, "message": message, "snapshot": content["snapshot"]}

    def _repository_returned(self):
        """Have a server in service take nothing from a snapshot with which a run has failed."""
        if self.previous.pending() is None or not record.is_in_service(self.folder):
            return False
        if not self.module.check_mode:
            self.previous.put_back()
            self.apt.forget_lists(self.source)
            self.apt.update(self.source)
            self.previous.proved()
        return True

    def dropped(self):
        """Settle: what is now, is proved."""
        if not self.module.check_mode:
            self._record()
            self.previous.proved()
            self.point.remove()
            self.states.remove_others({self.states.in_use()})
        # This is about runs, not about the server's configuration, and never reported as a change.
        return {"changed": False, "exists": False}

    def _record(self):
        offered = {}
        for each in self.apt.offered(self.source):
            offered.setdefault(each["Package"], set()).add(each["Version"])
        versions = {
            name: version
            for (name, _arch), version in self.apt.installed().items()
            if version in offered.get(name, ())
        }
        uri = self.want["uri"]
        with Former(self.apt, [], self.kept) as former:
            if uri:
                # A carried state has the packages in it; the web may no longer have them when they are needed.
                keep(former, versions, self.kept, fetch=not self.want["complete"])
            snapshot = self._snapshot_at(uri, former.scratch) if uri else snapshot_of(self.states.in_use())
        record.keep(self.folder, snapshot or record.read(self.folder)["snapshot"], versions)

    def _snapshot_at(self, uri, scratch):
        """The snapshot that the repository on the web names; empty where it does not."""
        target = os.path.join(scratch, "snapshot")
        self.apt.run(["/usr/lib/apt/apt-helper", "download-file", f"{uri.rstrip('/')}/snapshot", target])
        return _first_word(target)


def snapshot_of(state):
    """The snapshot of a carried state."""
    return _first_word(os.path.join(state, "snapshot"))


def _first_word(path):
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            words = file.read(64).split()
    except OSError:
        return ""
    return words[0] if words and words[0].isalnum() else ""


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["read", "made", "returned", "dropped"], "required": True},
            "name": {"type": "str", "required": True},
            "uri": {"type": "str", "default": ""},
            "complete": {"type": "bool", "default": False},
            "changes": {"type": "list", "elements": "list", "default": []},
            "units": {"type": "list", "elements": "str", "default": []},
            "paths": {"type": "list", "elements": "path", "default": []},
            "only_unfinished": {"type": "bool", "default": False},
            "folder": {"type": "path", "default": "/var/lib/sugar-deploy"},
            "lock_seconds": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    try:
        result = getattr(Keeper(module), module.params["state"])()
    except RestoreError as error:
        module.fail_json(msg=f"{error}. Nothing was changed.")
    except (ConfigError, OSError) as error:
        module.fail_json(
            msg=f"the restore point: {error}. Look at that file system, then apply again: it goes on from there."
        )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
