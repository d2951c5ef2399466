# SPDX-License-Identifier: GPL-3.0-or-later
"""The option of modules that wait for apt and dpkg."""

from __future__ import annotations


class ModuleDocFragment:
    """Found by ansible-doc by its name."""

    DOCUMENTATION = r"""
options:
  lock_seconds:
    description: How long to wait for another package manager, in seconds.
    type: int
    default: 600
"""
