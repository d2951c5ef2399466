# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages' languages: which of them a browser gets, and what is said in it."""

from __future__ import annotations

import gettext
from datetime import datetime, timezone
from functools import cache
from pathlib import Path

from sugar_server.pages.markup import Html, html
from sugar_server.pages.po import Catalogue

NAMES = {"en": "English", "es": "Español", "fr": "Français"}
"""By code of ISO 639-1: the language's own name. Each but English has its catalogue in locale/."""
_FROM_RIGHT_TO_LEFT = frozenset({"ar", "arc", "dv", "fa", "he", "ks", "ku", "ps", "sd", "ug", "ur", "yi"})
_FOLDER = Path(__file__).parent / "locale"
_DAY = 24 * 3600


class Language:
    """One language: its messages, its direction, and how it tells times and amounts."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.direction = direction(code)
        catalogue = gettext.NullTranslations() if code == "en" else Catalogue(_FOLDER / f"{code}.po")
        self.gettext = catalogue.gettext
        self.ngettext = catalogue.ngettext

    def ago(self, moment: float, now: float) -> Html:
        """How long ago a moment was (both in seconds since 1970), in whole days of the server's calendar."""
        days = (_local(now).date() - _local(moment).date()).days
        if days < 0:  # a clock was set back: better a date than nonsense
            return self.time(moment)
        if days == 0:
            text = self.gettext("today")
        elif days == 1:
            text = self.gettext("yesterday")
        else:
            text = self.ngettext("{count} day ago", "{count} days ago", days).format(count=days)
        return html('<time datetime="{exact}">{text}</time>', exact=_exact(moment), text=text)

    def time(self, moment: float) -> Html:
        """A moment (seconds since 1970) by the server's clock, as 2026-01-31 12:00, which every language reads."""
        shown = _local(moment).strftime("%Y-%m-%d %H:%M")
        return html('<time datetime="{exact}" dir="ltr">{shown}</time>', exact=_exact(moment), shown=shown)

    def amount(self, size: int) -> str:
        """Bytes, as people say it."""
        if size < 10**6:
            return self.gettext("{count} kB").format(count=-(-size // 10**3))
        if size < 10**10:
            return self.gettext("{count} MB").format(count=size // 10**6)
        return self.gettext("{count} GB").format(count=size // 10**9)


def direction(code: str) -> str:
    """The direction of a language's writing, as HTML's attribute dir wants it."""
    return "rtl" if code in _FROM_RIGHT_TO_LEFT else "ltr"


@cache
def language(code: str) -> Language:
    """The language with one of the codes in NAMES."""
    return Language(code)


def negotiate(accepted: str) -> str:
    """The code of the language that an Accept-Language header likes best of ours (RFC 9110); English otherwise."""
    best, liking = "en", 0.0
    for choice in accepted[:1000].split(","):
        tag, *parameters = choice.strip().lower().split(";")
        code = tag.strip().partition("-")[0]
        quality = _quality(parameters)
        if code in NAMES and quality > liking:
            best, liking = code, quality
    return best


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return min(float(value), 1.0) if value.replace(".", "", 1).isdigit() else 0.0
            except ValueError:
                return 0.0
    return 1.0


def _local(moment: float) -> datetime:
    return datetime.fromtimestamp(moment, timezone.utc).astimezone()


def _exact(moment: float) -> str:
    return datetime.fromtimestamp(moment, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
