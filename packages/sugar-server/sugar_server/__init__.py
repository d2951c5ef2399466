# SPDX-License-Identifier: GPL-3.0-or-later
"""The school server's daemon: registers laptops, tells its health and shows its page."""

__version__ = "0.2.0"
