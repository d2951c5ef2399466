# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages that ask before something is changed, and what is said when it is done."""

from __future__ import annotations

from collections.abc import Sequence

from sugar_server.pages.laptops import Laptop
from sugar_server.pages.listing import name
from sugar_server.pages.markup import Html, html
from sugar_server.pages.view import View

_MOST_HEIRS = 50
_FORGET = """
<h1>{title}</h1>
<p class="note">{text}</p>
{button}
<p><a href="/laptops/{number}">{back}</a></p>
"""
_ADOPT = """
<h1>{title}</h1>
<p>{text}</p>
<form method="get" action="/laptops/{number}/adopt" role="search">
<label for="q">{search}</label>
<input type="search" id="q" name="q" value="{words}" maxlength="100"> <button>{find}</button>
</form>
{choice}
<p><a href="/laptops/{number}">{back}</a></p>
"""
_HEIRS = """
<form method="post" action="/laptops/{number}/adopt">
{token}
<fieldset>
<legend>{which}</legend>
{heirs}
</fieldset>
<p><button>{give}</button></p>
</form>
"""
_HEIR = """<label class="pick"><input type="radio" name="heir" value="{number}" required> <bdi>{nick}</bdi>
<bdi>{group}</bdi> <bdi class="less">{serial}</bdi> <span class="less">{registered}</span></label>
"""


def done(view: View) -> Html | None:
    """What the address says was done before this page."""
    _ = view.language.gettext
    messages = {
        "approved": _("Approved. Now the laptop has to register once more."),
        "refused": _("The laptop is refused."),
        "forgotten": _("The registration is forgotten."),
        "adopted": _("The new laptop is being given the backups."),
        "out": _("You are logged out."),
    }
    text = messages.get(view.asked("done"))
    return html('<p class="good" role="status">{text}</p>', text=text) if text else None


def refused(text: str) -> Html:
    """Why something was not done."""
    return html('<p class="bad" role="alert">{text}</p>', text=text)


def forget(view: View, laptop: Laptop) -> Html:
    """Asks before a registration is forgotten."""
    _ = view.language.gettext
    question = _("Refuse the laptop of {name}?") if laptop.held else _("Forget the registration of {name}?")
    what_follows = (
        _("It may ask again.")
        if laptop.held
        else _("The laptop is no longer known here until it registers again. Its backups are kept.")
    )
    return html(
        _FORGET,
        title=html("<bdi>{text}</bdi>", text=question.format(name=name(view, laptop))),
        text=what_follows,
        button=view.button(f"/laptops/{laptop.number}/forget", _("Refuse") if laptop.held else _("Forget"), "grave"),
        number=laptop.number,
        back=_("Do not change anything"),
    )


def adopt(view: View, laptop: Laptop, candidates: Sequence[Laptop], message: Html | None = None) -> Html:
    """Asks which laptop gets the backups: the latest to register first."""
    _ = view.language.gettext
    heirs = sorted(candidates, key=lambda one: one.latest, reverse=True)[:_MOST_HEIRS]
    title = _("Give the backups of {name} to a new laptop").format(name=name(view, laptop))
    return html(
        _ADOPT,
        title=html("<bdi>{text}</bdi>", text=title),
        text=_(
            "When a child has got a new laptop: let it register, then choose it here. "
            "It can restore the old laptop's Journal from then on."
        ),
        number=laptop.number,
        search=_("Find a name, a class or a serial number"),
        words=view.asked("q"),
        find=_("Find"),
        choice=[message, _heirs(view, laptop, heirs) if heirs else html("<p>{text}</p>", text=_("No laptop found."))],
        back=_("Do not change anything"),
    )


def _heirs(view: View, laptop: Laptop, heirs: Sequence[Laptop]) -> Html:
    _ = view.language.gettext
    return html(
        _HEIRS,
        number=laptop.number,
        token=view.token(),
        which=_("The new laptop"),
        heirs=[
            html(
                _HEIR,
                number=heir.number,
                nick=name(view, heir),
                group=heir.group,
                serial=heir.serial,
                registered=view.language.ago(heir.latest, view.now),
            )
            for heir in heirs
        ],
        give=_("Give it the backups"),
    )
