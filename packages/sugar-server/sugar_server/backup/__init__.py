# SPDX-License-Identifier: GPL-3.0-or-later
"""Journal backups: who may bring one, where it is kept, what is kept of it, and how it comes back."""
