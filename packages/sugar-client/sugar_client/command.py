# SPDX-License-Identifier: GPL-3.0-or-later
"""What the commands of all rooms share."""

from __future__ import annotations


class Failed(Exception):
    """The command failed; the message says why and what to do."""
