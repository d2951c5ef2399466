# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads Sugar's activity microformat: https://wiki.sugarlabs.org/go/Activity_Team/Activity_Microformat

Sugar counts tags to know where a record ends; this does not, so that a page with an unclosed tag is read as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from sugar_client.update.version import Version

_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
_TEXTS = ("id", "version", "optional", "name")


@dataclass(frozen=True)
class Offer:
    """A bundle that a page offers."""

    bundle_id: str
    version: Version
    url: str
    optional: bool
    """Whether automatic updates leave it out."""
    name: str
    """For people; the id where the page tells none."""


def read(page: str, url: str) -> dict[str, Offer]:
    """The offers of a page that came from URL, by bundle id: of one id the highest version."""
    parser = _Parser(url)
    parser.feed(page)
    parser.close()
    return parser.offers


class _Parser(HTMLParser):
    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.url = url
        self.offers: dict[str, Offer] = {}
        self._open: list[tuple[str, frozenset[str]]] = []
        self._texts: dict[str, str] = {}
        self._link: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = frozenset(" ".join(value or "" for name, value in attrs if name == "class").split())
        if "olpc-activity-info" in classes and not self._within("info"):
            self._texts, self._link = dict.fromkeys(_TEXTS, ""), None
        if tag not in _VOID:
            self._open.append((tag, classes))
        if self._within("info") and (self._within("url") or "olpc-activity-url" in classes):
            links = [value for name, value in attrs if name == "href" and value]
            self._link = links[0] if links and self._link is None else self._link

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if not any(name == tag for name, _ in self._open):
            return
        while self._open:
            name, classes = self._open.pop()
            if "olpc-activity-info" in classes and not self._within("info"):
                self._take()
            if name == tag:
                return

    def handle_data(self, data: str) -> None:
        if self._within("info"):
            for text in _TEXTS:
                if self._within(text):
                    self._texts[text] += data.strip() if text != "name" else data

    def _within(self, part: str) -> bool:
        return any(f"olpc-activity-{part}" in classes for _, classes in self._open)

    def _take(self) -> None:
        bundle_id = self._texts["id"]
        try:
            version = Version(self._texts["version"])
            url = urljoin(self.url, self._link or "")
            scheme = urlsplit(url).scheme
        except ValueError:
            return
        known = self.offers.get(bundle_id)
        if not bundle_id or not self._link or scheme not in {"http", "https"} or (known and version < known.version):
            return
        name = " ".join(self._texts["name"].split()) or bundle_id
        self.offers[bundle_id] = Offer(bundle_id, version, url, self._texts["optional"] == "1", name)
