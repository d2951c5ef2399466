# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of activities, for people and for Sugar's updater: https://wiki.sugarlabs.org/go/Activity_Team/Activity_Microformat

Sugar counts tags to know where an entry ends: every tag is closed. In old Sugar an attribute with both an entity and
non-ASCII bytes hangs the updater: attributes are ASCII, and have nothing to escape.
"""

from __future__ import annotations

from html import escape
from urllib.parse import quote

from sugar_server.library.bundle import Words
from sugar_server.library.shelf import Item, Shelf

_PAGE = """<!DOCTYPE html>
<html lang="en" xmlns="http://www.w3.org/1999/xhtml">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>Activities – {title}</title>
</head>
<body>
<h1 id="olpc-activity-group-name">{title}</h1>
<p id="olpc-activity-group-desc">Activities for your laptop. Sugar finds updates here by itself: My Settings, Software
update.</p>
{content}
</body>
</html>
"""
_OPTIONAL = '<p>On request only<span class="olpc-activity-optional" hidden="hidden">1</span></p>'


def page(shelf: Shelf, title: str, languages: tuple[str, ...]) -> str:
    """The page as XHTML, in the languages that the reader prefers as far as the bundles know them."""
    entries = "\n".join(_entry(item, shelf, languages) for item in shelf.newest)
    content = f"<ul>\n{entries}\n</ul>" if entries else "<p>There are no activities here yet.</p>"
    if shelf.refused:
        rows = "\n".join(f"<li>{_text(one.file)}: {_text(one.reason)}</li>" for one in shelf.refused)
        content += f"\n<h2>Not offered</h2>\n<ul>\n{rows}\n</ul>"
    return _PAGE.format(title=_text(title), content=content)


def link(file: str) -> str:
    """A bundle's address, relative to the page's: ASCII, without anything to escape."""
    return quote(file.encode("utf-8", "surrogateescape"), safe="")


def words(item: Item, languages: tuple[str, ...]) -> Words:
    """The bundle's name and summary in the first language that it knows."""
    known = {name.replace("-", "_").lower(): words for name, words in item.bundle.translations.items()}
    for language in languages:
        for name in (language, language.partition("_")[0]):
            if name in known:
                return known[name]
        if language.startswith("en"):
            break
    return item.bundle.words


def _entry(item: Item, shelf: Shelf, languages: tuple[str, ...]) -> str:
    said = words(item, languages)
    summary = item.description or said.summary
    lines = [
        '<li class="olpc-activity-info">',
        f'<h2 class="olpc-activity-name" dir="auto">{_text(said.name)}</h2>',
        f'<p dir="auto">{_text(summary)}</p>' if summary else "",
        f'<p>Version <span class="olpc-activity-version">{_text(item.bundle.version)}</span>,',
        f'<span class="olpc-activity-url"><a href="{link(item.file)}">{_size(item.size)}</a></span>,',
        f'<span class="olpc-activity-id">{_text(item.bundle.bundle_id)}</span></p>',
        _OPTIONAL if item.optional else "",
        _older(shelf.older.get(item.bundle.bundle_id, ())),
        "</li>",
    ]
    return "\n".join(line for line in lines if line)


def _older(items: tuple[Item, ...]) -> str:
    links = ", ".join(f'<a href="{link(item.file)}">{_text(item.bundle.version)}</a>' for item in items)
    return f"<p>Older versions: {links}</p>" if links else ""


def _size(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size >= 2**20 else f"{max(1, size // 2**10)} KiB"


def _text(text: str) -> str:
    """For between tags; a name from a file system may hold what is no text."""
    return escape(text.encode("utf-8", "replace").decode(), quote=False)
