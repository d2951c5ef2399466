"""A second reader of the activity page: counts tags naively, as every Sugar since 0.82 does."""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urljoin

PARTS = ("id", "version", "url", "optional")


class Counter(HTMLParser):
    """One record after the other; a tag that is not closed spoils the rest."""

    def __init__(self, url):
        super().__init__()
        self.url, self.found, self.depth, self.parts = url, {}, 0, dict.fromkeys(PARTS, 0)
        self.record = {}

    def handle_starttag(self, tag, attrs):
        classes = " ".join(value for name, value in attrs if name == "class").split()
        if self.depth == 0:
            if "olpc-activity-info" in classes:
                self.depth, self.parts, self.record = 1, dict.fromkeys(PARTS, 0), {}
            return
        self.depth += 1
        for part in PARTS:
            if self.parts[part] or f"olpc-activity-{part}" in classes:
                self.parts[part] += 1
        if self.parts["url"] and "url" not in self.record:
            for name, value in attrs:
                if name == "href":
                    self.record["url"] = urljoin(self.url, value)

    def handle_data(self, data):
        for part in PARTS:
            if self.parts[part] and part != "url":
                self.record[part] = self.record.get(part, "") + data.strip()

    def handle_endtag(self, tag):
        self.parts = {part: max(0, depth - 1) for part, depth in self.parts.items()}
        if self.depth:
            self.depth -= 1
            if self.depth == 0 and {"id", "version", "url"} <= self.record.keys():
                entry = (self.record["version"], self.record["url"], self.record.get("optional") == "1")
                self.found[self.record["id"]] = entry


def offers(page, url):
    """By bundle id: version, address, whether optional."""
    counter = Counter(url)
    counter.feed(page)
    assert counter.depth == 0
    return counter.found
