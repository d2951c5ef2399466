# SPDX-License-Identifier: GPL-3.0-or-later
"""A school morning: many laptops that do what laptops do, from a seed, and how a server bears it."""
