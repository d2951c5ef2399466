# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of all laptops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import urlencode

from sugar_server.pages.laptops import PER_PAGE, Laptop
from sugar_server.pages.markup import Html, html
from sugar_server.pages.view import View

_BODY = """
<h1>{title}</h1>
{message}
{held}
<form method="get" action="/laptops" role="search">
<label for="q">{search}</label>
<input type="search" id="q" name="q" value="{words}" maxlength="100"> <button>{find}</button>
</form>
<p>{count}</p>
{table}
{turning}
"""
_TABLE = """
<table>
<thead><tr><th scope="col">{name}</th><th scope="col">{group}</th><th scope="col">{when}</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
"""
_ROW = """<tr><th scope="row"><a href="/laptops/{number}"><bdi>{nick}</bdi></a></th>
<td><bdi>{group}</bdi></td><td>{when}</td></tr>
"""
_HELD = """
<section aria-labelledby="waiting">
<h2 id="waiting">{title}</h2>
<p>{text}</p>
<ul>
{items}
</ul>
</section>
"""


def shown(found: Sequence[Laptop], page: int) -> Sequence[Laptop]:
    """The laptops on one page, counted from 1."""
    return found[(page - 1) * PER_PAGE : page * PER_PAGE]


def page_number(text: str, count: int) -> int:
    """The page that was asked for, if there is one."""
    last = max(1, -(-count // PER_PAGE))
    return min(max(int(text), 1), last) if text.isascii() and text.isdigit() else 1


def body(
    view: View,
    found: Sequence[Laptop],
    backups: Mapping[str, float | None] | None,
    held: Sequence[Laptop],
    message: Html | None,
) -> Html:
    """FOUND are the laptops of the search; BACKUPS when each of the page's last backed up, None without backups."""
    _, count = view.language.gettext, view.language.ngettext
    page = page_number(view.asked("page", 6), len(found))
    return html(
        _BODY,
        title=_("Laptops"),
        message=message,
        held=_held(view, held) if held else None,
        search=_("Find a name or a class"),
        words=view.asked("q"),
        find=_("Find"),
        count=count("{count} laptop", "{count} laptops", len(found)).format(count=len(found)),
        table=_table(view, shown(found, page), backups) if found else None,
        turning=_turning(view, page, len(found)),
    )


def _table(view: View, some: Sequence[Laptop], backups: Mapping[str, float | None] | None) -> Html:
    _ = view.language.gettext
    rows = [
        html(
            _ROW,
            number=laptop.number,
            nick=name(view, laptop),
            group=laptop.group,
            when=view.language.ago(laptop.registered, view.now)
            if backups is None
            else backed_up(view, backups.get(laptop.identity)),
        )
        for laptop in some
    ]
    when = _("Registered") if backups is None else _("Last backup")
    return html(_TABLE, name=_("Name"), group=_("Class"), when=when, rows=rows)


def name(view: View, laptop: Laptop) -> str:
    """What a page calls the laptop."""
    return laptop.nick.strip()[:60] or view.language.gettext("(no name)")


def backed_up(view: View, last: float | None) -> str:
    """When a laptop last backed up."""
    if last is None:
        return view.language.gettext("never")
    return view.language.ago(last, view.now)


def _held(view: View, held: Sequence[Laptop]) -> Html:
    _ = view.language.gettext
    item = '<li><a href="/laptops/{number}"><bdi>{nick}</bdi></a> <bdi>{serial}</bdi></li>\n'
    return html(
        _HELD,
        title=_("Waiting for approval"),
        text=_("These laptops have the serial number of a registered laptop and another key."),
        items=[html(item, number=one.number, nick=name(view, one), serial=one.serial) for one in held[:50]],
    )


def _turning(view: View, page: int, count: int) -> Html | None:
    """The links to the pages before and after."""
    _ = view.language.gettext
    last = page_number("999999", count)
    if last == 1:
        return None
    words = view.asked("q")

    def link(to: int, text: str, relation: str) -> Html | None:
        if not 1 <= to <= last:
            return None
        query = urlencode([*([("q", words)] if words else []), ("page", to)], errors="replace")
        address = f"/laptops?{query}"
        return html('<a class="button" href="{to}" rel="{rel}">{text}</a> ', to=address, rel=relation, text=text)

    return html(
        '<nav aria-label="{label}"><p>{text}</p>{before}{after}</nav>',
        label=_("Pages of the list"),
        text=_("Page {page} of {last}").format(page=page, last=last),
        before=link(page - 1, _("Previous"), "prev"),
        after=link(page + 1, _("Next"), "next"),
    )
