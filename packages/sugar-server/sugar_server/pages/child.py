# SPDX-License-Identifier: GPL-3.0-or-later
"""A laptop's own page, with its backups; the titles in a child's Journal, and what changes things, only for the
teacher."""

from __future__ import annotations

import math
from collections.abc import Sequence
from urllib.parse import quote

from sugar_server.pages.laptops import Laptop
from sugar_server.pages.listing import backed_up, name
from sugar_server.pages.markup import Html, html
from sugar_server.pages.providers import Backups, Entry, LeaseState, Snapshot
from sugar_server.pages.view import View

_ENTRIES_PER_PAGE = 100
_BODY = """
<h1><bdi>{nick}</bdi></h1>
{message}
{adopting}
<dl>
{facts}
</dl>
{actions}
{snapshots}
{change}
"""
_SECTION = """
<section aria-labelledby="{id}">
<h2 id="{id}">{title}</h2>
{content}
</section>
"""
_ENTRIES = """
<h1>{title}</h1>
<p><a href="/laptops/{number}">{back}</a></p>
<p>{help}</p>
<table>
<thead><tr><th scope="col">{entry}</th><th scope="col">{activity}</th><th scope="col">{when}</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
{more}
"""
_ENTRY = """<tr><th scope="row"><a href="{address}" download><bdi>{title}</bdi></a> <span class="less">{size}</span>
</th><td><bdi>{activity}</bdi></td><td>{when}</td></tr>
"""


def body(
    view: View,
    laptop: Laptop,
    backups: Backups | None,
    snapshots: Sequence[Snapshot],
    lease: LeaseState | None,
    message: Html | None,
) -> Html:
    """The laptop's page."""
    _ = view.language.gettext
    facts: list[tuple[str, str | Html]] = [(_("Class"), laptop.group)] if laptop.group else []
    if laptop.held:
        facts.append((_("Asked to register"), view.language.time(laptop.latest)))
    else:
        facts.append((_("Registered"), view.language.time(laptop.registered)))
    if view.session:
        facts.append((_("Serial number"), laptop.serial))
        facts.append((_("Key"), laptop.identity))
        facts += _lease(view, lease) if lease else []
    if backups and not laptop.held:
        facts.append((_("Last backup"), backed_up(view, snapshots[0].at if snapshots else None)))
    return html(
        _BODY,
        nick=name(view, laptop),
        message=message,
        adopting=_adopting(view, laptop, backups) if backups and view.session else None,
        facts=[html("<dt>{what}</dt><dd><bdi>{it}</bdi></dd>\n", what=what, it=it) for what, it in facts],
        actions=_held(view, laptop) if laptop.held else None,
        snapshots=_snapshots(view, laptop, snapshots) if snapshots else None,
        change=_change(view, laptop, bool(backups and snapshots)) if view.session else None,
    )


def _lease(view: View, lease: LeaseState) -> list[tuple[str, str | Html]]:
    """Until when a locked laptop starts. Who is marked as stolen is marked by the deployment, and not here."""
    _ = view.language.gettext
    if lease.is_stolen:
        return [(_("Lease"), _("Marked as stolen: the server gives it no lease."))]
    facts: list[tuple[str, str | Html]] = []
    if lease.until is None:
        facts.append((_("Lease"), _("none from this server yet")))
    elif lease.until == math.inf:
        facts.append((_("Lease"), _("for ever")))
    else:
        over = lease.until < view.now
        facts.append((_("Lease ended") if over else _("Lease until"), view.language.time(lease.until)))
    until = lease.delegated_until
    if until is not None and until != math.inf:
        over = until < view.now
        name = _("Not renewed by this server any more since") if over else _("Renewed by this server until")
        facts.append((name, view.language.time(until)))
    if lease.activated is not None:
        facts.append((_("Last activated at boot"), view.language.time(lease.activated)))
    return facts


def _held(view: View, laptop: Laptop) -> Html:
    _ = view.language.gettext
    text = _("This laptop has the serial number of a registered laptop and another key: it waits for approval.")
    button = view.button(f"/laptops/{laptop.number}/approve", _("Approve")) if view.session else None
    return html('<p class="note">{text}</p>{button}', text=text, button=button)


def _adopting(view: View, laptop: Laptop, backups: Backups) -> Html | None:
    """What became of the teacher's wish to give this laptop another one's backups."""
    _ = view.language.gettext
    if backups.is_adopting(laptop.identity):
        text = _(
            "The backups of another laptop are being copied to this one. "
            "Load this page anew to see whether it is done."
        )
        return html('<p class="note">{text}</p>', text=text)
    failed = backups.failed_adoption(laptop.identity)
    if failed is None:
        return None
    at, why = failed
    reasons = {
        "busy": _("One of the two was backing up all the time. Ask again once both are switched off."),
        "gone": _("The old laptop has no backups any more, or this one is not registered any more."),
        "full": _("The disk of the server is full. Ask again once there is room."),
        "other": _("The journal of sugar-server-adopt on the server tells why."),
    }
    text = _("This laptop did not get the backups of another one:")
    return html(
        '<p class="bad" role="alert">{text} {why} {at}</p>', text=text, why=reasons[why], at=view.language.time(at)
    )


def _snapshots(view: View, laptop: Laptop, snapshots: Sequence[Snapshot]) -> Html:
    _ = view.language.gettext
    link = '<li><a href="/laptops/{number}/{snapshot}">{at}</a></li>\n'
    items = [
        html(
            link if view.session else "<li>{at}</li>\n",
            number=laptop.number,
            snapshot=quote(snapshot.name, safe=""),
            at=view.language.time(snapshot.at),
        )
        for snapshot in snapshots[:200]
    ]
    text = (
        _("Open a backup to restore one of its Journal entries.")
        if view.session
        else _("The teacher can restore Journal entries from these backups after logging in.")
    )
    content = html("<p>{text}</p><ul>\n{items}</ul>", text=text, items=items)
    return html(_SECTION, id="backups", title=_("Backups"), content=content)


def _change(view: View, laptop: Laptop, has_backups: bool) -> Html:
    _ = view.language.gettext
    item = '<li><a href="/laptops/{number}/{verb}">{text}</a></li>\n'
    verbs = [("forget", _("Refuse this laptop") if laptop.held else _("Forget this registration"))]
    if has_backups:
        verbs.insert(0, ("adopt", _("Give these backups to a new laptop")))
    items = [html(item, number=laptop.number, verb=verb, text=text) for verb, text in verbs]
    return html(_SECTION, id="change", title=_("Change"), content=html("<ul>\n{items}</ul>", items=items))


def entries(view: View, laptop: Laptop, snapshot: Snapshot, found: Sequence[Entry], backups: Backups) -> Html:
    """The entries of one snapshot, each with the link that restores it."""
    _ = view.language.gettext
    start = int(view.asked("from", 6)) if view.asked("from", 6).isdigit() and view.asked("from").isascii() else 0
    rows = [
        html(
            _ENTRY,
            address=backups.address(laptop.identity, snapshot.name, entry.uid),
            title=entry.title.strip()[:200] or _("(no title)"),
            size=view.language.amount(entry.size),
            activity=entry.activity,
            when=view.language.time(entry.at),
        )
        for entry in found[start : start + _ENTRIES_PER_PAGE]
    ]
    following = start + _ENTRIES_PER_PAGE
    more = '<p><a class="button" href="?from={start}" rel="next">{text}</a></p>'
    return html(
        _ENTRIES,
        title=html("<bdi>{nick}</bdi>, {at}", nick=name(view, laptop), at=view.language.time(snapshot.at)),
        number=laptop.number,
        back=_("All backups of this laptop"),
        help=_(
            "A link saves the entry as a file. On the child's laptop, open that file in the Journal: "
            "the entry is back. Nothing else changes."
        ),
        entry=_("Journal entry"),
        activity=_("Activity"),
        when=_("Changed"),
        rows=rows,
        more=html(more, start=following, text=_("More entries")) if following < len(found) else None,
    )
