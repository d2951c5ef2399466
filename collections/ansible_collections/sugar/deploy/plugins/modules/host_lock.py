#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run at a time on a host."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_lock
short_description: Lets one run at a time change the host
description:
  - Takes or gives back C(/run/sugar-deploy.lock), which vanishes when the host is rebooted.
  - The lock's owner may take it again, so a run that was cut off is no obstacle to the next one. Who the owner is,
    is the caller's matter; C(sugar-deploy) names the deployment and the machine that deploys it, on which a lock of
    its own holds off a second run.
  - A lock older than I(stale_hours) is taken over, with a warning.
options:
  state:
    description: Take the lock, or give it back.
    type: str
    choices: [taken, released]
    required: true
  owner:
    description: Who takes it.
    type: str
    required: true
  reason:
    description: Why, for whoever is held off by it.
    type: str
    default: ""
  stale_hours:
    description: Age in hours after which nobody is believed to be behind the lock.
    type: int
    default: 12
  path:
    description: The lock's file.
    type: path
    default: /run/sugar-deploy.lock
author:
  - sugar-deploy
"""

EXAMPLES = r"""
- name: Take the lock
  sugar.deploy.host_lock:
    state: taken
    owner: lima on headquarters
    reason: apply
"""

RETURN = r"""
owner:
  description: Who holds the lock now.
  returned: always
  type: str
"""

import contextlib
import fcntl
import json
import os
import time

from ansible.module_utils.basic import AnsibleModule


def read(path):
    """The lock's holder, or None; an unreadable lock has an unknown holder."""
    try:
        with open(path, encoding="utf-8") as file:
            held = json.load(file)
        return {
            "owner": str(held["owner"]),
            "reason": str(held["reason"]),
            "time": float(held["time"]),
            "uptime": float(held["uptime"]) if "uptime" in held else None,
        }
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return {
            "owner": "unknown",
            "reason": "the lock's file is damaged",
            "time": os.stat(path).st_mtime,
            "uptime": None,
        }


def uptime():
    """Seconds since the host was booted: a clock that is being set does not make a lock older or younger."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def age_seconds(held):
    """How long the lock has been held; one that does not say goes by the clock."""
    return time.time() - held["time"] if held["uptime"] is None else uptime() - held["uptime"]


@contextlib.contextmanager
def alone(path):
    """While this lasts, no other process takes this lock, so that only one of two takes over a stale one."""
    folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def take(module):
    """Create the lock, or fail naming its holder."""
    want = module.params
    content = json.dumps({"owner": want["owner"], "reason": want["reason"], "time": time.time(), "uptime": uptime()})
    # A link of a complete file: the lock appears whole or not at all, and only one of two can make it.
    draft = f"{want['path']}.{os.getpid()}"
    with open(draft, "w", encoding="utf-8") as file:
        file.write(content)
    try:
        try:
            os.link(draft, want["path"])
            return
        except FileExistsError:
            held = read(want["path"])
        if held is not None and held["owner"] != want["owner"]:
            if age_seconds(held) < want["stale_hours"] * 3600:
                since = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(held["time"]))
                module.fail_json(
                    msg=f"the host is locked by {held['owner']} since {since} ({held['reason']}). Wait for that run; "
                    f"if it is dead, remove {want['path']} on the host."
                )
            module.warn(f"took over a stale lock of {held['owner']} ({held['reason']})")
        os.rename(draft, want["path"])
    finally:
        if os.path.exists(draft):
            os.unlink(draft)


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["taken", "released"], "required": True},
            "owner": {"type": "str", "required": True},
            "reason": {"type": "str", "default": ""},
            "stale_hours": {"type": "int", "default": 12},
            "path": {"type": "path", "default": "/run/sugar-deploy.lock"},
        },
        supports_check_mode=True,
    )
    want = module.params
    try:
        if not module.check_mode:
            if want["state"] == "taken":
                with alone(want["path"]):
                    take(module)
            else:
                held = read(want["path"])
                if held is not None and held["owner"] == want["owner"]:
                    os.unlink(want["path"])
    except OSError as error:
        module.fail_json(msg=f"cannot keep the lock {want['path']}: {error.strerror}. Look at that file system.")
    module.exit_json(changed=False, owner=want["owner"] if want["state"] == "taken" else "")


if __name__ == "__main__":
    main()
