# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of modules that keep state on the server."""

from __future__ import annotations


class ModuleDocFragment:
    """Found by ansible-doc by its name."""

    DOCUMENTATION = r"""
options:
  folder:
    description: Where the server keeps its state.
    type: path
    default: /var/lib/sugar-deploy
"""
