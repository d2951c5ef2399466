# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployer's own drop-ins of a service, from the project's overrides/ folder."""

from __future__ import annotations

DOCUMENTATION = r"""
---
name: overrides
short_description: The deployer's own drop-ins of a service
description:
  - Reads C(overrides/SERVICE/*.conf) beside the playbook and gives them as files of M(sugar.deploy.service_config),
    in the order of their names.
options:
  _terms:
    description: The service's name; its folder in C(overrides/).
    required: true
  prefix:
    description: Folder and beginning of the name on the host; the drop-in's own name is put after it.
    type: str
    required: true
author:
  - sugar-deploy
"""

EXAMPLES = r"""
- name: Show which files the host gets
  ansible.builtin.debug:
    msg: "{{ query('sugar.deploy.overrides', 'dnsmasq', prefix='/etc/dnsmasq.d/90-sugar-override-') }}"
"""

RETURN = r"""
_raw:
  description: Files, each with C(path) and C(content).
  type: list
  elements: dict
"""

from pathlib import Path

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase


def drop_ins(project, service, prefix):
    """The service's drop-ins in a project."""
    files = []
    for path in sorted((Path(project) / "overrides" / service).glob("*.conf")):
        try:
            content = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise AnsibleLookupError(f"{path} cannot be read as UTF-8 text: {error}") from error
        files.append({"path": f"{prefix}{path.name}", "content": content})
    return files


class LookupModule(LookupBase):
    """The lookup."""

    def run(self, terms, variables=None, **kwargs):
        """One list for all the named services."""
        self.set_options(var_options=variables, direct=kwargs)
        prefix = self.get_option("prefix")
        return [file for term in terms for file in drop_ins(variables["playbook_dir"], term, prefix)]
