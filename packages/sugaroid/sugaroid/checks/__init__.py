# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks of `sugaroid check`: what a laptop needs of a school server, tried out."""
