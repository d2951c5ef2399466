# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds of the laptops' operating system, for olpc-update: published here, handed out by rsync on port 873."""
