# SPDX-License-Identifier: GPL-3.0-or-later
"""Looks at the school's pages as Browse on an XO would: they are small, and all that they need is in them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from html.parser import HTMLParser

from sugaroid.background import in_background
from sugaroid.checks.options import Options
from sugaroid.checks.report import Report, Unexpected
from sugaroid.probes import web

PAGES = (("the first page", "/"), ("the laptops", "/laptops"), ("the server", "/server"))
LOGIN = "/login"
MOST_BYTES = 100_000
SECONDS = 20.0
_FETCHED = {
    **dict.fromkeys(("img", "script", "iframe", "frame", "embed", "source", "audio", "video", "track"), ("src",)),
    "link": ("href",),
    "object": ("data",),
}
"""Attributes for which a browser asks a server by itself."""
_STYLE = re.compile(r"@import|url\(\s*[\"']?(?!data:|#)", re.IGNORECASE)


class _Reader(HTMLParser):
    """Notes what a page lets a browser fetch, and its fields for passwords."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.style = ""
        self.scripts = self.passwords = 0
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.scripts += tag == "script"
        self._in_style = tag == "style"
        self.style += given.get("style") or ""
        self.passwords += tag == "input" and given.get("type") == "password"
        for name in (*_FETCHED.get(tag, ()), "srcset", "background", "poster"):
            value = given.get(name) or ""
            if value and not value.startswith("data:"):
                self.fetched.append(f"<{tag} {name}={value}>")

    def handle_endtag(self, tag: str) -> None:
        self._in_style = self._in_style and tag != "style"

    def handle_data(self, data: str) -> None:
        self.style += data if self._in_style else ""


async def check_pages(report: Report, options: Options, address: str) -> None:
    """The pages that anyone in the school may see, or else is asked to log in for; and the login."""
    port, host = options.ports.http, options.server
    where = f"http://{host}{'' if port == 80 else f':{port}'}"
    for name, path in PAGES:

        async def looks(path: str = path) -> str:
            found = await in_background(lambda: web.fetch(address, port, host, path), SECONDS)
            if found.status == 303 and path != "/":
                return "only for who has logged in"
            return judge_page(found)

        await report.step("pages", name, f"GET {where}{path}", looks)

    async def login() -> str:
        return judge_login(await in_background(lambda: web.fetch(address, port, host, LOGIN), SECONDS))

    await report.step("pages", "the login", f"GET {where}{LOGIN}", login)


def judge_page(found: web.Page) -> str:
    """What is seen of a page that works on any laptop; Unexpected for one that does not."""
    reader = _read(found)
    size = len(found.body)
    if size > MOST_BYTES:
        raise Unexpected(f"{size} bytes, more than {MOST_BYTES}")
    if reader.fetched:
        raise Unexpected(f"it needs other files: {', '.join(reader.fetched[:3])}")
    if reader.scripts:
        raise Unexpected("it has scripts")
    if _STYLE.search(reader.style):
        raise Unexpected("its style needs other files")
    return f"{size} bytes, and nothing else to fetch"


def judge_login(found: web.Page) -> str:
    """What is seen of the login; Unexpected if a teacher could not use it."""
    seen = judge_page(found)
    if _read(found).passwords != 1:
        raise Unexpected("no field for a password")
    return seen


def _read(found: web.Page) -> _Reader:
    if found.status != 200 or "html" not in found.kind.lower() or not found.body.strip():
        raise Unexpected(f"status {found.status}, {found.kind or 'no content type'}, {len(found.body)} bytes")
    reader = _Reader()
    reader.feed(found.body.decode("utf-8", "replace"))
    reader.close()
    return reader
