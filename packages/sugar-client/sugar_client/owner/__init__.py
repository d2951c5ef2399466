# SPDX-License-Identifier: GPL-3.0-or-later
"""The key that Sugar knows its child by."""
