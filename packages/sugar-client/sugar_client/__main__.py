# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the program as `python3 -m sugar_client`."""

import sys

from sugar_client.cli import main

if __name__ == "__main__":
    sys.exit(main())
