# SPDX-License-Identifier: GPL-3.0-or-later
"""Network services asked with packets of our own, so that the machine's own settings play no part."""
