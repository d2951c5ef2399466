#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's side of carrying the repository; the action plugin of the same name is the other one."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: carry
short_description: Carries the project's repository to the server, as far as the server lacks it
description:
  - The server keeps each state of the repository in a folder of its own, C(repository-STATE), in which files that
    an earlier state has as well are links to them. What is missing is sent as one file, checked file by file, and
    the folder gets its name when it is complete and on the disk. No state in use is touched.
  - With a local connection, as at a school that is deployed from a stick, files are copied from the project
    directly, and nothing is packed.
  - Called in a playbook this is an action that looks at the project itself; only I(folder) is given there.
extends_documentation_fragment:
  - sugar.deploy.foreseen
options:
  folder:
    description: Where the server keeps the states.
    type: path
    default: /var/lib/sugar-deploy
  step:
    description: Set by the action.
    type: str
    choices: [look, compare, make]
    default: look
  wanted:
    description: Set by the action. The hash of the wanted state.
    type: str
    default: ""
  files:
    description: Set by the action. The state's files, packed.
    type: str
    default: ""
  archive:
    description: Set by the action. The file that was sent, removed when it has been read.
    type: path
  tree:
    description: Set by the action. The tree on this very machine.
    type: path
author:
  - sugar-deploy
"""

EXAMPLES = r"""
- name: Carry the repository
  sugar.deploy.carry:
  register: carried
"""

RETURN = r"""
path:
  description: The folder of the wanted state.
  returned: success
  type: str
in_use:
  description: The folder of the state in use; empty where there is none.
  returned: success
  type: str
missing:
  description: Hashes of the files that the server lacks.
  returned: when it lacks the state
  type: list
  elements: str
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sugar.deploy.plugins.module_utils.carried import (
    CarryError,
    States,
    from_archive,
    from_tree,
    unpacked,
)

ARGUMENTS = {
    "folder": {"type": "path", "default": "/var/lib/sugar-deploy"},
    "step": {"type": "str", "choices": ["look", "compare", "make"], "default": "look"},
    "wanted": {"type": "str", "default": ""},
    "files": {"type": "str", "default": ""},
    "archive": {"type": "path"},
    "tree": {"type": "path"},
}


def look(module, states):
    """What the server has."""
    path = states.path(module.params["wanted"])
    status, output, _error = module.run_command(["dpkg", "--print-architecture"])
    return {
        "path": path,
        "in_use": states.in_use(),
        "there": os.path.isdir(path),
        "architecture": output.strip() if status == 0 else "",
    }


def compare(module, states):
    """Which files it lacks, once there is room for them."""
    files = unpacked(module.params["files"])
    have = states.have(files)
    missing = {digest: size for _path, size, digest in files if digest not in have}
    if not module.check_mode:
        # Twice: what is sent lies beside what it becomes until that is complete.
        states.require_space(sum(missing.values()) * (1 if module.params["tree"] else 2))
    return {"missing": sorted(missing)}


def make(module, states):
    """Make the wanted state from what is there and what was brought."""
    want = module.params
    files = unpacked(want["files"])
    try:
        if want["archive"]:
            states.make(want["wanted"], files, lambda folder: from_archive(want["archive"], folder))
        else:
            states.make(want["wanted"], files, lambda _folder: from_tree(want["tree"] or "/nonexistent", files))
    finally:
        if want["archive"] and os.path.exists(want["archive"]):
            os.unlink(want["archive"])
    return {}


def main():
    """Run the module."""
    # The list of files is long and nobody's to read in a log.
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True, no_log=True)
    states = States(module.params["folder"])
    try:
        step = {"look": look, "compare": compare, "make": make}[module.params["step"]]
        result = look(module, states) if module.params["step"] == "look" else step(module, states)
    except CarryError as error:
        module.fail_json(msg=f"{error}. The repository that the server had is as it was.", invocation={})
    except OSError as error:
        module.fail_json(
            msg=f"{error.filename or module.params['folder']}: {error.strerror}. The repository that the server had "
            "is as it was.",
            invocation={},
        )
    module.exit_json(changed=module.params["step"] == "make", invocation={}, **result)


if __name__ == "__main__":
    main()
