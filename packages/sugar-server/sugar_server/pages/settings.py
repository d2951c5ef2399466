# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings of the pages: [pages] in the settings files."""

from __future__ import annotations

from dataclasses import dataclass

from sugar_server.values import Keys, boolean, choice

KEYS: Keys = {"enabled": boolean, "public": boolean, "login_from": choice("nearby", "anywhere")}


@dataclass(frozen=True)
class PagesSettings:
    """Who may see and do what, checked."""

    enabled: bool = True
    """Whether there are pages but the first one and the activities."""
    public: bool = True
    """Whether anyone in the school may see, without a login, who is registered and when each last backed up."""
    login_from: str = "nearby"
    """From where a teacher may log in: "nearby" (private and link-local addresses) or "anywhere"."""
