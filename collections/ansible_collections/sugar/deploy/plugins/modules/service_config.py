#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""All configuration files of a service in one step: checked, swapped in, proved, or put back."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: service_config
short_description: Configures a service so that it either comes up with the new configuration or keeps the old one
description:
  - One call names all files of a service that are ours. The candidate, which is the service's present configuration
    with these files in it, is checked as a whole by the service's own checker before anything is changed.
  - Then the files are swapped in, the service is restarted or reloaded, and it has to come up, answer, and stay so
    for a moment. If it does not, the previous files are put back, the service is restarted with them, and the
    module fails with what went wrong and the service's last words (C(rolled_back=true)).
  - Nothing is restarted when nothing has changed. A service that should run and does not is started.
  - The previous files are kept in C(/var/lib/sugar-deploy/previous/SERVICE), with a mark that stands until the new
    ones are proved. If the plug is pulled in between, the next run finds the mark and proves the service anew; if
    that fails, it puts back what the service last came up with.
  - Check mode and diff are exact. In check mode the candidate is checked too, if the service is installed.
options:
  service:
    description: The service's name, in messages and for the kept files.
    type: str
    required: true
  unit:
    description: Its systemd unit; by default C(SERVICE.service).
    type: str
  state:
    description: Whether the service shall run. For C(stopped) it is stopped and disabled before files are removed.
    type: str
    choices: [started, stopped]
    default: started
  enabled:
    description: Whether it starts at boot; by default if it shall run.
    type: bool
  files:
    description: The service's files that are ours.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: The file's text; a missing last newline is added. Required unless I(state=absent).
        type: str
      mode:
        description: Permissions, octal, in quotes.
        type: str
        default: "0644"
      owner:
        description: Owner.
        type: str
        default: root
      group:
        description: Group.
        type: str
        default: root
      state:
        description: Whether the file shall be there.
        type: str
        choices: [present, absent]
        default: present
      secret:
        description: Do not show the content in diffs.
        type: bool
        default: false
  purge:
    description: Patterns of files that are ours; those that match and are not in I(files) are removed.
    type: list
    elements: str
    default: []
  tree:
    description:
      - Files and folders that the checker reads; the candidate is a copy of them with I(files) in it.
      - By default the folders of I(files).
    type: list
    elements: path
    default: []
  validate:
    description:
      - The checker, as a list of words. With C({path}) in it, it runs for each present file; with C({root}), once,
        for the folder that holds the candidate under the files' full paths.
      - With neither, it runs with the candidate mounted over the real paths, in a mount namespace of its own, so
        that includes by absolute path are the candidate's as well.
    type: list
    elements: str
    default: []
  action:
    description: How the service takes up a changed configuration.
    type: str
    choices: [restart, reload]
    default: restart
  force:
    description: Take it up even if no file has changed, as after an upgrade of a plugin's package.
    type: bool
    default: false
  healthy:
    description: What the service answers to when it is well. That its unit is active is always required.
    type: dict
    default: {}
    suboptions:
      tcp:
        description: TCP ports that accept a connection.
        type: list
        elements: int
        default: []
      udp:
        description: UDP ports that something listens on.
        type: list
        elements: int
        default: []
      host:
        description: Address at which I(tcp) is tried.
        type: str
        default: 127.0.0.1
      argv:
        description: Command that ends with status 0.
        type: list
        elements: str
        default: []
      seconds:
        description: Time to come up, in seconds.
        type: int
        default: 30
      steady_seconds:
        description: Time that it has to stay up after that, in seconds.
        type: float
        default: 2
  previous:
    description: Folder for the kept files.
    type: path
    default: /var/lib/sugar-deploy/previous
attributes:
  check_mode:
    support: full
    description: The candidate is checked as well, if the service is installed.
  diff_mode:
    support: full
    description: Files and the service's state.
author:
  - sugar-deploy
"""

EXAMPLES = r"""
- name: Configure the names and addresses of the LAN
  sugar.deploy.service_config:
    service: dnsmasq
    files:
      - path: /etc/dnsmasq.d/sugar.conf
        content: "{{ lookup('ansible.builtin.template', 'sugar.conf.j2') }}"
    purge:
      - /etc/dnsmasq.d/sugar-override-*.conf
    validate: [dnsmasq, --test]
    healthy:
      tcp: [53]
      udp: [53, 67]

- name: Configure presence, with a secret file and a checker that is given the candidate's folder
  sugar.deploy.service_config:
    service: prosody
    files:
      - path: /etc/prosody/conf.d/sugar.cfg.lua
        content: "{{ lookup('ansible.builtin.template', 'sugar.cfg.lua.j2') }}"
        group: prosody
        mode: "0640"
        secret: true
    tree: [/etc/prosody]
    validate: [prosodyctl, check, config]
    healthy:
      tcp: [5222, 5223]

- name: Switch the names and addresses off
  sugar.deploy.service_config:
    service: dnsmasq
    state: stopped
    files:
      - path: /etc/dnsmasq.d/sugar.conf
        state: absent
"""

RETURN = r"""
differs:
  description: Whether there was anything to do; the same as C(changed), which a task may overrule.
  returned: always
  type: bool
files:
  description: Paths that were (or would be) changed.
  returned: always
  type: list
  elements: str
validated:
  description: Whether the candidate was shown to the checker and found good.
  returned: always
  type: bool
restarted:
  description: Whether the service was (or would be) started, restarted or reloaded, and proved.
  returned: success
  type: bool
rolled_back:
  description: Whether the previous files were put back.
  returned: failure
  type: bool
running:
  description: Whether the service runs after the previous files were put back.
  returned: when rolled_back
  type: bool
"""

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sugar.deploy.plugins.module_utils.change import Change, Failed, can_check
from ansible_collections.sugar.deploy.plugins.module_utils.files import (
    ConfigError,
    Wanted,
    with_purged,
)
from ansible_collections.sugar.deploy.plugins.module_utils.previous import Previous
from ansible_collections.sugar.deploy.plugins.module_utils.unit import Health, Unit

FILE = {
    "path": {"type": "path", "required": True},
    "content": {"type": "str"},
    "mode": {"type": "str", "default": "0644"},
    "owner": {"type": "str", "default": "root"},
    "group": {"type": "str", "default": "root"},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "secret": {"type": "bool", "default": False},
}
HEALTH = {
    "tcp": {"type": "list", "elements": "int", "default": []},
    "udp": {"type": "list", "elements": "int", "default": []},
    "host": {"type": "str", "default": "127.0.0.1"},
    "argv": {"type": "list", "elements": "str", "default": []},
    "seconds": {"type": "int", "default": 30},
    "steady_seconds": {"type": "float", "default": 2.0},
}
ARGUMENTS = {
    "service": {"type": "str", "required": True},
    "unit": {"type": "str"},
    "state": {"type": "str", "choices": ["started", "stopped"], "default": "started"},
    "enabled": {"type": "bool"},
    "files": {"type": "list", "elements": "dict", "default": [], "options": FILE},
    "purge": {"type": "list", "elements": "str", "default": []},
    "tree": {"type": "list", "elements": "path", "default": []},
    "validate": {"type": "list", "elements": "str", "default": []},
    "action": {"type": "str", "choices": ["restart", "reload"], "default": "restart"},
    "force": {"type": "bool", "default": False},
    "healthy": {"type": "dict", "default": {}, "options": HEALTH, "apply_defaults": True},
    "previous": {"type": "path", "default": "/var/lib/sugar-deploy/previous"},
}


def change_from(want):
    """The change that the module's parameters ask for."""
    running = want["state"] == "started"
    return Change(
        service=want["service"],
        wanted=with_purged([Wanted.from_parameters(file) for file in want["files"]], want["purge"]),
        unit=Unit(want["unit"] or f"{want['service']}.service"),
        previous=Previous(want["service"], want["previous"]),
        health=Health(**want["healthy"]),
        running=running,
        enabled=running if want["enabled"] is None else want["enabled"],
        action=want["action"],
        force=want["force"],
    )


def main():
    """Run the module."""
    # Parameters hold whole files, some of them secret: neither logged on the host nor repeated in the result.
    module = AnsibleModule(ARGUMENTS, supports_check_mode=True, no_log=True)
    want = module.params
    result = {"invocation": {}, "differs": False, "files": [], "validated": False, "restarted": False}
    try:
        change = change_from(want)
        result.update(
            files=[file.path for file in change.files],
            changed=change.needed,
            differs=change.needed,
            diff=change.diff(),
        )
        if not module.check_mode or can_check(change, want["tree"]):
            result["validated"] = change.validate(want["validate"], want["tree"])
        if change.needed and not module.check_mode:
            change.carry_out()
        result["restarted"] = change.to_prove
    except Failed as failed:
        module.fail_json(msg=str(failed), **dict(result, changed=False, **failed.facts))
    except (ConfigError, OSError) as error:
        module.fail_json(msg=f"{want['service']}: {error}", **dict(result, changed=False))
    module.exit_json(**result)


if __name__ == "__main__":
    main()
