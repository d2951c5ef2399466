# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks for activities on a school server as Sugar's updater does: the page of the microformat, and the bundles.

The page is read as every Sugar since 0.82 reads it (jarabe/model/update/microformat.py): tags are counted and not
matched, so one that is not closed spoils what follows.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin, urlsplit

from sugaroid.errors import NotServed
from sugaroid.probes import web

PATH = "/activities/"
_VERSION = re.compile(r"((?:0|[1-9][0-9]*)(?:\.(?:0|[1-9][0-9]*))*)(?:[-~].[A-Za-z]*)?", re.DOTALL)
_PARTS = ("id", "version", "url", "optional")


def version_numbers(text: str) -> tuple[int, ...]:
    """What Sugar compares of a version: its numbers, without zeros at the end (1.0 is 1); or ValueError."""
    match = _VERSION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no version of an activity")
    numbers = [int(number) for number in match.group(1).split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


@dataclass(frozen=True)
class Offer:
    """One activity that a page offers; `url` is absolute."""

    bundle_id: str
    version: str
    url: str
    optional: bool = False


@dataclass(frozen=True)
class ActivityPage:
    """What a page says, and what would be lost on a laptop."""

    offers: Mapping[str, Offer]
    """By bundle id, the highest version of each."""
    group: str
    """The page's title for its activities, or nothing."""
    begun: int
    """How many records the page begins."""
    ended: int
    """How many records the counter sees the end of: fewer, if one swallows another."""
    unclosed: tuple[str, ...]
    """Tags in records that nobody closes, with their lines."""
    incomplete: int
    """How many ended records had no id, no address or no version that is one: Sugar drops them."""


@dataclass
class _Record:
    texts: dict[str, str] = field(default_factory=dict)
    url: str = ""
    inside: dict[str, int] = field(default_factory=dict)
    """How deep the counter is in each part."""
    open_tags: list[tuple[str, int]] = field(default_factory=list)


class _Reader(HTMLParser):
    """The counter: one up at a start tag, one down at an end tag, whatever their names."""

    def __init__(self, url: str) -> None:
        super().__init__(convert_charrefs=True)
        self.url = url
        self.depth = self.begun = self.ended = self.incomplete = self._in_group = 0
        self.record = _Record()
        self.offers: dict[str, Offer] = {}
        self.unclosed: list[str] = []
        self.group = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        classes = {name for key, value in attrs if key == "class" for name in (value or "").split()}
        if self._in_group or ("id", "olpc-activity-group-name") in attrs:
            self._in_group += 1
        self.begun += "olpc-activity-info" in classes
        if self.depth == 0:
            if "olpc-activity-info" in classes:
                self.depth, self.record = 1, _Record(open_tags=[(tag, self.getpos()[0])])
            return
        self.depth += 1
        record = self.record
        record.open_tags.append((tag, self.getpos()[0]))
        for part in _PARTS:
            if record.inside.get(part) or f"olpc-activity-{part}" in classes:
                record.inside[part] = record.inside.get(part, 0) + 1
        if record.inside.get("url") and not record.url:
            record.url = next((urljoin(self.url, value) for key, value in attrs if key == "href" and value), "")

    def handle_data(self, data: str) -> None:
        if self._in_group:
            self.group += data
        if self.depth:
            for part in _PARTS:
                if self.record.inside.get(part):
                    self.record.texts[part] = self.record.texts.get(part, "") + data.strip()

    def handle_endtag(self, tag: str) -> None:
        self._in_group = max(0, self._in_group - 1)
        if not self.depth:
            return
        self._note_unclosed(tag)
        self.record.inside = {part: max(0, depth - 1) for part, depth in self.record.inside.items()}
        self.depth -= 1
        if self.depth == 0:
            self._end()

    def _note_unclosed(self, tag: str) -> None:
        """Only for people: the counter itself knows no names."""
        opened = self.record.open_tags
        if tag in (name for name, _ in opened):
            while opened[-1][0] != tag:
                name, line = opened.pop()
                self.unclosed.append(f"<{name}> in line {line}")
            opened.pop()

    def _end(self) -> None:
        self.ended += 1
        texts, url = self.record.texts, self.record.url
        offer = Offer(texts.get("id", ""), texts.get("version", ""), url, texts.get("optional") == "1")
        try:
            numbers = version_numbers(offer.version)
        except ValueError:
            self.incomplete += 1
            return
        if not offer.bundle_id or not offer.url:
            self.incomplete += 1
            return
        known = self.offers.get(offer.bundle_id)
        if known is None or numbers >= version_numbers(known.version):
            self.offers[offer.bundle_id] = offer


def read_page(text: str, url: str) -> ActivityPage:
    """The page at `url` as Sugar's updater reads it."""
    reader = _Reader(url)
    reader.feed(text)
    reader.close()
    unclosed = reader.unclosed
    if reader.depth:
        unclosed = unclosed + [f"<{name}> in line {line}" for name, line in reader.record.open_tags]
    return ActivityPage(
        reader.offers, reader.group.strip(), reader.begun, reader.ended, tuple(unclosed), reader.incomplete
    )


def updates(offers: Iterable[Offer], installed: Mapping[str, str], *, automatic: bool = False) -> list[Offer]:
    """What a laptop with these versions installed would fetch: greater versions, and what it does not have yet."""
    wanted = []
    for offer in offers:
        have = installed.get(offer.bundle_id)
        if automatic and offer.optional:
            continue
        if have is None or version_numbers(offer.version) > version_numbers(have):
            wanted.append(offer)
    return sorted(wanted, key=lambda offer: offer.bundle_id)


def fetch_page(address: str, port: int, host: str, path: str = PATH) -> ActivityPage:
    """The server's page, blocking; NotServed if there is none."""
    page = web.ask(address, port, host, path, headers={"Cache-Control": "max-age=600"})
    if page.status != 200:
        raise NotServed(f"status {page.status} for the page of activities")
    if len(page.body) >= web.MAXIMUM_BYTES:
        raise NotServed(f"the page of activities has more than {web.MAXIMUM_BYTES >> 20} MiB")
    try:
        text = page.body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise NotServed(f"the page of activities is not UTF-8: {error.reason} at byte {error.start}") from None
    return read_page(text, page_url(host, port, path))


def page_url(host: str, port: int, path: str = PATH) -> str:
    """The page's address as the laptop has it in its settings."""
    return f"http://{host}{'' if port == 80 else f':{port}'}{path}"


def place(url: str, host: str, address: str) -> tuple[str, int, str, str]:
    """Where a bundle is: address to connect to, port, name of the host, and path; NotServed if it is not HTTP."""
    try:
        parts = urlsplit(url)
        port = parts.port or 80
    except ValueError as error:
        raise NotServed(f"{url} is no address: {error}") from None
    if parts.scheme != "http" or not parts.hostname:
        raise NotServed(f"{url} is no address that begins with http://")
    name = parts.hostname
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    return (address if name.lower() == host.lower() else name), port, name, path or "/"
