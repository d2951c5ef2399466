# SPDX-License-Identifier: GPL-3.0-or-later
"""A school's day in one process: up to thousands of laptops come, work together, drop off and return."""
