# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the Journal to the school server, and back."""
