# SPDX-License-Identifier: GPL-3.0-or-later
"""Leases of locked XO laptops: activation on port 191, theft deterrence over HTTP, and what both rest on."""
