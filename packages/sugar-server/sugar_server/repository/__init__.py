# SPDX-License-Identifier: GPL-3.0-or-later
"""The deployment's package repository, as it lies on this server, for laptops that have no other way to it."""
