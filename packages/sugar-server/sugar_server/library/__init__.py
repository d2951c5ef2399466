# SPDX-License-Identifier: GPL-3.0-or-later
"""The activity library: bundles in a folder, offered to Sugar's updater and to people."""
