# SPDX-License-Identifier: GPL-3.0-or-later
"""Acts as a Sugar laptop towards a school server: key, registration, presence, network services."""

__version__ = "0.2.0"
