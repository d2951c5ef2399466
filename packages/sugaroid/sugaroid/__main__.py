# SPDX-License-Identifier: GPL-3.0-or-later
"""`python3 -m sugaroid`."""

import sys

from sugaroid.cli import main

sys.exit(main())
