# SPDX-License-Identifier: GPL-3.0-or-later
"""Usage statistics: how long which activities are used, as sums of days, never what a child makes with them."""
