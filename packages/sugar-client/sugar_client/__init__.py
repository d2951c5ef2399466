# SPDX-License-Identifier: GPL-3.0-or-later
"""What a Sugar laptop needs of its school server, beyond Sugar itself: standard library only."""

__version__ = "0.2.0"
