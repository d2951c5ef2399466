# SPDX-License-Identifier: GPL-3.0-or-later
"""The first page, which Browse calls School: how to register, and what there is; and the page of the plots."""

from __future__ import annotations

from collections.abc import Sequence

from sugar_server.pages.markup import Html, html
from sugar_server.pages.providers import Library, Plot
from sugar_server.pages.view import View

_BODY = """
<h1>{school}</h1>
{message}
<p>{reached}</p>
<h2>{register}</h2>
<ol>
<li>{open}</li>
<li>{choose}</li>
<li>{restart}</li>
</ol>
<p>{once}</p>
{library}
"""
_LIBRARY = '<h2>{title}</h2>\n<p>{text}</p>\n<p><a class="button" href="{address}">{link}</a></p>'
_PLOT = """
<section aria-labelledby="plot{number}">
<h2 id="plot{number}">{title}</h2>
<p>{summary}</p>
{svg}
</section>
"""


def body(view: View, library: Library | None, message: Html | None) -> Html:
    """The first page."""
    _ = view.language.gettext
    shelf = library and html(
        _LIBRARY,
        title=_("Activities"),
        text=_("New activities for your laptop, and new versions of those that you have."),
        address=library.address(),
        link=_("Activity library"),
    )
    return html(
        _BODY,
        school=view.school,
        message=message,
        reached=_("You have reached the school server."),
        register=_("Register your laptop"),
        open=_("In Sugar, go to the Home view."),
        choose=_("Open the menu of the figure in the middle and choose “Register”."),
        restart=_("When Sugar says that it worked, restart Sugar."),
        once=_("You do it once. Afterwards your laptop finds its classmates, and the school can keep your Journal."),
        library=shelf,
    )


def plots(view: View, found: Sequence[Plot]) -> Html:
    """The page of the statistics' plots."""
    _ = view.language.gettext
    sections = [
        html(_PLOT, number=number, title=plot.title, summary=plot.summary, svg=Html(plot.svg))
        for number, plot in enumerate(found, 1)
    ]
    return html(
        "<h1>{title}</h1>{sections}",
        title=_("Statistics"),
        sections=sections or html("<p>{text}</p>", text=_("There are no figures yet.")),
    )
