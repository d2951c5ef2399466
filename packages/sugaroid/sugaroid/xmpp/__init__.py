# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of XMPP as Sugar's client uses, on expat and asyncio."""
