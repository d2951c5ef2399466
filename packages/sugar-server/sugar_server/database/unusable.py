# SPDX-License-Identifier: GPL-3.0-or-later
"""What an administrator has to see to, told with its remedy."""

from __future__ import annotations


class UnusableDatabase(Exception):
    """The database cannot be used now; the message says why and what to do."""
