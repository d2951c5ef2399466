# SPDX-License-Identifier: GPL-3.0-or-later
"""Registration of laptops: what they send, who they are, and where it is kept."""
