#!/usr/bin/python
# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployment's repository among apt's sources: proved first, then attached, in one step."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: attached
short_description: Attaches a signed repository once apt itself has proved it
description:
  - Key, source and, for I(exclusive), the setting that makes it apt's only source are written together, and the link
    that names the carried state in use. Before that, apt reads the repository with them in a folder of its own, so
    that a wrong or expired key, a tampered index or an address that does not answer changes nothing.
  - What was attached before is kept until M(sugar.deploy.restore_point) settles the run, or is put back by it.
  - Every time, the repository's package lists are read again; it is a change if there was something new.
extends_documentation_fragment:
  - sugar.deploy.foreseen
  - sugar.deploy.package_manager
options:
  name:
    description: Names the source and its keyring.
    type: str
    required: true
  uri:
    description: Where the repository is; empty for the carried one.
    type: str
    default: ""
  state:
    description: Folder of the carried state to use.
    type: path
  link:
    description: The link that names the carried state in use.
    type: path
    default: /var/lib/sugar-deploy/repository
  suite:
    description: The suite of this host.
    type: str
    required: true
  key:
    description: The public keys that may sign it, ASCII armoured.
    type: str
    required: true
  exclusive:
    description: Whether this is the only source that apt uses. Others stay on the disk as they are.
    type: bool
    default: false
  previous:
    description: Folder for what was attached before.
    type: path
    default: /var/lib/sugar-deploy/previous
author:
  - sugar-deploy
"""

EXAMPLES = r"""
- name: Attach the repository
  sugar.deploy.attached:
    name: lima
    uri: https://deploy.example.org/lima
    suite: bookworm
    key: "{{ lookup('ansible.builtin.file', 'key.asc') }}"
"""

RETURN = r"""
offered:
  description: Names and versions that the repository offers, for a repository on the web.
  returned: in check mode, if something is to be attached
  type: list
  elements: list
"""

import os
import shutil
import tempfile
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.sugar.deploy.plugins.module_utils import clock
from ansible_collections.sugar.deploy.plugins.module_utils.apt import ENVIRONMENT, LISTS, Apt
from ansible_collections.sugar.deploy.plugins.module_utils.files import (
    ConfigError,
    Wanted,
    read_state,
    restore,
    with_purged,
)
from ansible_collections.sugar.deploy.plugins.module_utils.previous import Previous

OURS = "# The deployment's own packages, kept by sugar-deploy."
SOURCES = "/etc/apt/sources.list.d"
EXCLUSIVE = "/etc/apt/apt.conf.d/99sugar-only-source"
NO_CACHE = ("-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache=")
REMEDY = (
    "Check that the server reaches it, that its clock is right, and that this deployment's key has signed it "
    "(sugar-deploy repo verify)."
)


def source_text(uri, suite, keyring):
    """A deb822 source."""
    return f"{OURS}\nTypes: deb\nURIs: {uri}\nSuites: {suite}\nComponents: main\nSigned-By: {keyring}\n"


def exclusive_text(source):
    """The setting that makes one source file apt's only one."""
    return (
        "// Kept by sugar-deploy: the deployment's repository holds all that this server needs. The system's other\n"
        "// sources are as they were, and used again when it does not (repository.contents: own).\n"
        f'Dir::Etc::SourceList "{source}";\nDir::Etc::SourceParts "/dev/null";\n'
    )


class Attached:
    """What is to be in place, and the bringing of it."""

    def __init__(self, module):
        self.module, want = module, module.params
        module.run_command_environ_update = ENVIRONMENT
        self.apt = Apt(module.run_command, want["lock_seconds"])
        self.link, self.state, self.key = want["link"], want["state"], want["key"]
        self.source = f"{SOURCES}/{want['name']}.sources"
        self.keyring = f"/etc/apt/keyrings/{want['name']}.asc"
        self.suite, self.uri = want["suite"], want["uri"]
        text = source_text(self.uri or f"file:{self.link}", self.suite, self.keyring)
        exclusive = exclusive_text(self.source).encode() if want["exclusive"] else None
        files = [
            Wanted(self.keyring, self.key.rstrip("\n").encode() + b"\n"),
            Wanted(self.source, text.encode()),
            Wanted(EXCLUSIVE, exclusive),
            Wanted(f"{SOURCES}/{want['name']}.list"),
            *[Wanted(path) for path in self._former_sources()],
        ]
        self.files = with_purged(files, [])
        self.states = {file.path: read_state(file.path) for file in files}
        self.todo = [file for file in files if not file.is_met_by(self.states[file.path])]
        self.linked = read_state(self.link).get("target", "")
        self.relink = self.linked != (self.state or "")
        self.previous = Previous("repository", want["previous"])
        self.offered = []
        self.fresh = False

    def _former_sources(self):
        """Sources of ours under another name, as of a deployment that was called otherwise."""
        names = sorted(os.listdir(SOURCES)) if os.path.isdir(SOURCES) else []
        paths = [os.path.join(SOURCES, name) for name in names if name.endswith((".sources", ".list"))]
        return [path for path in paths if path != self.source and _is_ours(path)]

    @property
    def needed(self):
        """Whether anything is to be attached, beside reading the lists."""
        return bool(self.todo or self.relink)

    def diff(self):
        """What --diff shows."""
        shown = [file.diff_from(self.states[file.path]) for file in self.todo]
        if self.relink:
            shown.append({"before": f"{self.linked}\n", "after": f"{self.state or ''}\n",
                          "before_header": self.link, "after_header": self.link})  # fmt: skip
        return shown

    def prove(self):
        """Have apt read the candidate; returns its complaint, or None. Keeps what it offers."""
        folder = tempfile.mkdtemp(prefix="sugar-deploy-candidate-", dir="/var/tmp")
        try:
            # apt reads as a user of its own.
            os.chmod(folder, 0o755)  # noqa: S103
            source, keyring, lists = (os.path.join(folder, name) for name in ("c.sources", "key.asc", "lists"))
            uri = self.uri or f"file:{self.state}"
            for path, text in ((keyring, self.key), (source, source_text(uri, self.suite, keyring))):
                with open(path, "w", encoding="utf-8") as file:
                    file.write(text.rstrip("\n") + "\n")
                os.chmod(path, 0o644)
            os.mkdir(lists)
            aside = ("-o", f"Dir::State::Lists={lists}", *NO_CACHE)
            complaint = self.apt.update(source, *aside)
            self.fresh = complaint is None and not set(lists_mark(lists)) <= set(lists_mark(LISTS))
            if complaint is None and self.module.check_mode:
                self.offered = [[each["Package"], each["Version"]] for each in self.apt.offered(source, *aside)]
            return complaint
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def attach(self):
        """Bring everything into place."""
        self.previous.keep([*(file.path for file in self.todo), *([self.link] if self.relink else [])], True)
        for file in self.todo:
            file.write()
        if any(file.path == EXCLUSIVE and file.content is None for file in self.todo):
            # The other sources are used again, and their lists are gone; one that cannot be reached hinders nothing.
            self.module.run_command(["apt-get", "update", "-q", *self.apt.lock])
        if self.relink:
            restore(self.link, {"kind": "link", "target": self.state} if self.state else {"kind": "absent"})
            # It was proved just now, and may be older than what apt has read last.
            self.apt.forget_lists(self.source)


def _is_ours(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return OURS in file.read(4096)
    except OSError:
        return False


def lists_mark(folder):
    """What differs when some list does."""
    marks = []
    for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
        if name.endswith(("InRelease", "Release")):
            with open(os.path.join(folder, name), "rb") as file:
                marks.append((name, file.read()))
    return marks


def refusal(where, complaint, changed=""):
    """Why a repository is not attached, and what to do; a wrong clock is told as one."""
    advice = clock.remedy(complaint, time.time()) or REMEDY
    return f"The repository at {where} cannot be used: {complaint}\n{changed}{advice}"


def carry_out(module, one):
    """Prove, attach, read the lists; returns the module's result."""
    where = one.uri or one.link
    result = {"changed": one.needed, "diff": one.diff()}
    # In check mode a state that is not carried yet cannot be shown to apt; what is on the web has to be looked at.
    provable = bool(one.uri) or os.path.isdir(one.state or "")
    if provable and (one.needed or (one.uri and module.check_mode)):
        complaint = one.prove()
        if complaint is not None:
            module.fail_json(msg=refusal(where, complaint, "Nothing was changed. "))
        result.update(offered=one.offered, changed=one.needed or one.fresh)
    if module.check_mode:
        return result
    before = lists_mark(LISTS)
    if one.needed:
        one.attach()
    complaint = one.apt.update(one.source)
    if complaint is not None:
        module.fail_json(msg=refusal(where, complaint))
    result["changed"] = one.needed or before != lists_mark(LISTS)
    return result


def main():
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "uri": {"type": "str", "default": ""},
            "state": {"type": "path"},
            "link": {"type": "path", "default": "/var/lib/sugar-deploy/repository"},
            "suite": {"type": "str", "required": True},
            "key": {"type": "str", "required": True, "no_log": False},
            "exclusive": {"type": "bool", "default": False},
            "lock_seconds": {"type": "int", "default": 600},
            "previous": {"type": "path", "default": "/var/lib/sugar-deploy/previous"},
        },
        supports_check_mode=True,
    )
    try:
        result = carry_out(module, Attached(module))
    except (ConfigError, OSError) as error:
        module.fail_json(msg=f"the repository could not be attached: {error}. Look at that file system.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
