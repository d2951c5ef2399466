#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages, with a check mode that also tells the truth on a host that does not know them yet."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: packages
short_description: Installs or removes Debian packages
description:
  - Needs nothing on the host but apt and dpkg. In check mode it reports the packages that would be installed even
    if their repository is not attached yet, as on a host that has never been deployed.
  - Carries on where a pulled plug has interrupted dpkg. Waits for other package managers. Refreshes the package
    lists when a package is not in them, or when a listed version is no longer there.
  - Configuration files that somebody has changed are kept.
extends_documentation_fragment:
  - sugar.deploy.foreseen
  - sugar.deploy.package_manager
options:
  name:
    description: The packages.
    type: list
    elements: str
    required: true
  state:
    description: C(latest) also upgrades them to the newest version that the host's repositories offer.
    type: str
    choices: [present, latest, absent]
    default: present
author:
  - sugar-deploy
"""

EXAMPLES = r"""
- name: Install the time service
  sugar.deploy.packages:
    name: [chrony]
"""

RETURN = r"""
names:
  description: Packages that were (or would be) installed, upgraded or removed.
  returned: always
  type: list
  elements: str
"""

import re

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sugar.deploy.plugins.module_utils.apt import ENVIRONMENT, INSTALLED, OPTIONS, Apt

UNKNOWN = re.compile(r"Unable to locate package|has no installation candidate|404\s+Not Found")


class Packages:
    """The host's packages, as dpkg and apt see them."""

    def __init__(self, module):
        self.module = module
        self.apt = Apt(module.run_command, module.params["lock_seconds"])
        module.run_command_environ_update = ENVIRONMENT

    def versions(self, names):
        """Installed versions by name; packages that are not wholly installed are missing."""
        form = "${binary:Package}\t${Status}\t${Version}\n"
        output = self.module.run_command(["dpkg-query", "--show", f"--showformat={form}", "--", *names])[1]
        rows = (line.split("\t") for line in output.splitlines() if line.count("\t") == 2)
        return {name.split(":")[0]: version for name, status, version in rows if status == INSTALLED}

    def refresh(self):
        """Fetch the package lists; what cannot be fetched shows when a package is missing."""
        self.module.run_command(["apt-get", "update", "-q", *self.apt.lock])

    def finish_interrupted(self):
        """Let dpkg finish what a pulled plug interrupted."""
        if self.apt.interrupted():
            self.apt.finish()

    def change(self, verb, names):
        """Install or remove; returns apt's complaint, or None."""
        self.finish_interrupted()
        command = ["apt-get", verb, "-q", *self.apt.lock, *OPTIONS, "--", *names]
        status, output, error = self.module.run_command(command)
        if status != 0 and UNKNOWN.search(output + error):
            self.refresh()
            status, output, error = self.module.run_command(command)
        return None if status == 0 else (error.strip() or output.strip())


def wanted_changes(packages, names, state):
    """What has to be installed, upgraded or removed, and the installed versions."""
    have = packages.versions(names)
    if state == "absent":
        return sorted(have), have
    todo = {name for name in names if name not in have}
    if state == "latest" and have:
        offered = packages.apt.candidates(sorted(have))
        todo |= {name for name, version in have.items() if offered.get(name, version) != version}
    return sorted(todo), have


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "list", "elements": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "latest", "absent"], "default": "present"},
            "lock_seconds": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    state = module.params["state"]
    packages = Packages(module)
    names = sorted(set(module.params["name"]))
    todo, have = wanted_changes(packages, names, state) if names else ([], {})
    before = "".join(f"{name} {have[name]}\n" for name in todo if name in have)
    after = "" if state == "absent" else "".join(f"{name} installed\n" for name in todo)
    diff = {"before": before, "after": after, "before_header": "packages", "after_header": "packages"}
    if todo and not module.check_mode:
        complaint = packages.change("remove" if state == "absent" else "install", todo)
        if complaint is not None:
            verb = "removed" if state == "absent" else "installed"
            module.fail_json(
                msg=f"{', '.join(todo)} could not be {verb}: {complaint}. Check that the host reaches its Debian "
                "mirror (apt-get update) and has space left.",
                names=todo,
            )
    module.exit_json(changed=bool(todo), names=todo, diff=[diff] if todo else [])


if __name__ == "__main__":
    main()
