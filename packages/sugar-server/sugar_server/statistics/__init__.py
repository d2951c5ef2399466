# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage statistics: what laptops report of a day becomes the school's sums, and nothing else is kept."""
