# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that tells how the server is."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_server.pages.markup import Html, html
from sugar_server.pages.providers import Providers, Service
from sugar_server.pages.view import View

_BODY = """
<h1>{title}</h1>
{health}
<dl>
{facts}
</dl>
{services}
"""
_DISK = """{text}<br>
<meter min="0" max="{total}" value="{used}" aria-label="{label}">{percent} %</meter>"""
_SERVICES = """
<h2>{title}</h2>
<table>
<thead><tr><th scope="col">{service}</th><th scope="col">{state}</th></tr></thead>
<tbody>
{rows}
</tbody>
</table>
"""
_DEBIAN = Path("/etc/debian_version")


@dataclass(frozen=True)
class State:
    """What the server's page tells."""

    health: Mapping[str, Any]
    """As /health gives it."""
    disk_bytes: int | None
    """The size of the disk on which the state is."""
    debian: str
    services: Sequence[Service] | None
    synchronised: float | None


def examine(folder: Path, health: Mapping[str, Any], providers: Providers, language: str) -> State:
    """How the server is, said in a language where it is words."""
    try:
        size = shutil.disk_usage(folder).total
    except OSError:
        size = None
    try:
        debian = _DEBIAN.read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        debian = ""
    return State(
        health=health,
        disk_bytes=size,
        debian=debian,
        services=providers.services and providers.services.states(language),
        synchronised=providers.synchronisation and providers.synchronisation.last(),
    )


def body(view: View, state: State, has_synchronisation: bool) -> Html:
    """The server's page."""
    _ = view.language.gettext
    facts: list[tuple[str, str | Html]] = []
    if state.health["registrations"] is not None:
        facts.append((_("Registered laptops"), str(state.health["registrations"])))
    free = state.health["disk_free_bytes"]
    if free is not None and state.disk_bytes:
        facts.append((_("Disk"), _disk(view, free, state.disk_bytes)))
    facts.append((_("Last synchronisation"), _synchronised(view, state, has_synchronisation)))
    facts.append((_("Versions"), html("<bdi>{versions}</bdi>", versions=_versions(state))))
    facts.append((_("Clock of this server"), view.language.time(view.now)))
    return html(
        _BODY,
        title=_("Server"),
        health=_health(view, state.health),
        facts=[html("<dt>{what}</dt><dd>{it}</dd>\n", what=what, it=it) for what, it in facts],
        services=_services(view, state.services) if state.services else None,
    )


def _synchronised(view: View, state: State, has_synchronisation: bool) -> str | Html:
    _ = view.language.gettext
    if not has_synchronisation:
        return _("this server exchanges nothing with others")
    return _("never") if state.synchronised is None else view.language.time(state.synchronised)


def _health(view: View, health: Mapping[str, Any]) -> Html:
    _ = view.language.gettext
    if health["status"] == "ok":
        return html('<p class="good">{text}</p>', text=_("The server is well."))
    # The reasons, in the administrator's words, are for who can do something about them.
    problems = [
        html('<li lang="en" dir="ltr">{problem}</li>', problem=problem)
        for problem in (health["problems"] if view.session else ())
    ]
    return html(
        '<div class="bad"><p>{text}</p>{reasons}</div>',
        text=_("The server is not well. Tell the person who looks after it."),
        reasons=html("<ul>{problems}</ul>", problems=problems) if problems else None,
    )


def _disk(view: View, free: int, total: int) -> Html:
    _ = view.language.gettext
    used = max(0, total - free)
    text = _("{free} of {total} free").format(free=view.language.amount(free), total=view.language.amount(total))
    percent = round(100 * used / total)
    return html(_DISK, text=text, total=total, used=used, percent=percent, label=_("Used part of the disk"))


def _versions(state: State) -> str:
    system = f", Debian {state.debian}" if state.debian else ""
    return f"sugar-server {state.health['version']}{system}"


def _services(view: View, services: Sequence[Service]) -> Html:
    _ = view.language.gettext
    row = '<tr><th scope="row">{name}</th><td>{state} <span class="less">{remark}</span></td></tr>\n'
    rows = [
        html(row, name=one.name, state=_("well") if one.well else _("not well"), remark=one.remark)
        for one in services
    ]
    return html(_SERVICES, title=_("Services"), service=_("Service"), state=_("State"), rows=rows)
