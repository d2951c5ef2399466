# SPDX-License-Identifier: GPL-3.0-or-later
"""`python3 -m sugaroid`."""

from sugaroid.cli import program

program()
