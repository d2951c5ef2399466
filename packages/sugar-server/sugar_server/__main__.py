# SPDX-License-Identifier: GPL-3.0-or-later
"""`python3 -m sugar_server` is the same as `sugar-server`."""

from __future__ import annotations

import sys

from sugar_server.cli import main

sys.exit(main())
