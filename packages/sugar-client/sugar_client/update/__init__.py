# SPDX-License-Identifier: GPL-3.0-or-later
"""Activity updates: reads a school server's page of activities, and finds what is newer there."""
