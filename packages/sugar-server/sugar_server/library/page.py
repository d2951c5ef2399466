# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of activities, for people and for Sugar's updater: https://wiki.sugarlabs.org/go/Activity_Team/Activity_Microformat

Sugar counts tags to know where an entry ends: every tag is closed. In old Sugar an attribute with both an entity and
non-ASCII bytes hangs the updater: attributes of entries are ASCII, and have nothing to escape.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

from starlette.responses import Response

from sugar_server.library.bundle import Words
from sugar_server.library.shelf import Item, Shelf
from sugar_server.pages.languages import Language
from sugar_server.pages.markup import Html, html
from sugar_server.pages.view import View

_BODY = """
<h1 id="olpc-activity-group-name">{school}</h1>
<p id="olpc-activity-group-desc">{help}</p>
{entries}
{refused}
"""
_ENTRY = """<li class="olpc-activity-info">
<h2 class="olpc-activity-name" dir="auto">{name}</h2>
{summary}
<p>{label} <span class="olpc-activity-version">{version}</span>,
<span class="olpc-activity-url"><a href="{link}">{size}</a></span>,
<span class="olpc-activity-id">{bundle_id}</span></p>
{optional}
{older}
</li>
"""
_OPTIONAL = '<p>{text}<span class="olpc-activity-optional" hidden="hidden">1</span></p>'
_REFUSED = '<h2>{title}</h2>\n<ul lang="en" dir="ltr">\n{rows}\n</ul>'


def page(view: View, shelf: Shelf, languages: tuple[str, ...]) -> Response:
    """The page; bundles speak the languages that the reader prefers as far as they know them."""
    _ = view.language.gettext
    entries = [_entry(item, shelf, languages, view.language) for item in shelf.newest]
    none = html("<p>{text}</p>", text=_("There are no activities here yet."))
    body = html(
        _BODY,
        school=view.school,
        help=_("Activities for your laptop. Sugar finds updates here by itself: My Settings, Software update."),
        entries=html("<ul>\n{entries}</ul>", entries=entries) if entries else none,
        refused=_refused(shelf, view.language) if shelf.refused else None,
    )
    return view.page(_("Activities"), body)


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


def _entry(item: Item, shelf: Shelf, languages: tuple[str, ...], language: Language) -> Html:
    _ = language.gettext
    said = words(item, languages)
    summary = item.description or said.summary
    return html(
        _ENTRY,
        name=said.name,
        summary=html('<p dir="auto">{summary}</p>', summary=summary) if summary else None,
        label=_("Version"),
        version=item.bundle.version,
        link=link(item.file),
        size=language.amount(item.size),
        bundle_id=item.bundle.bundle_id,
        optional=html(_OPTIONAL, text=_("On request only")) if item.optional else None,
        older=_older(shelf.older.get(item.bundle.bundle_id, ()), language),
    )


def _older(items: Iterable[Item], language: Language) -> Html | None:
    links = [
        html(' <a href="{link}">{version}</a>', link=link(item.file), version=item.bundle.version) for item in items
    ]
    text = language.gettext("Older versions:")
    return html("<p>{text}{links}</p>", text=text, links=links) if links else None


def _refused(shelf: Shelf, language: Language) -> Html:
    rows = [html("<li>{file}: {reason}</li>\n", file=one.file, reason=one.reason) for one in shelf.refused]
    return html(_REFUSED, title=language.gettext("Not offered"), rows=rows)
