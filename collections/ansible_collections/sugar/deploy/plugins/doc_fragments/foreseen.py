# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules whose check mode and diff are exact."""

from __future__ import annotations


class ModuleDocFragment:
    """Found by ansible-doc by its name."""

    DOCUMENTATION = r"""
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
"""
