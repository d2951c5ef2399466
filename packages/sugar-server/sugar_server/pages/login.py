# SPDX-License-Identifier: GPL-3.0-or-later
"""The teacher logs in and out."""

from __future__ import annotations

import asyncio
import logging
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from sugar_server.pages import deeds, forms, password
from sugar_server.pages.limits import Limits
from sugar_server.pages.markup import Html, html
from sugar_server.pages.sessions import Sessions
from sugar_server.pages.view import View
from sugar_server.requests import client_address

_log = logging.getLogger(__name__)
_OWN_PATH = re.compile(r"/(?:[a-z0-9]+(?:/[A-Za-z0-9_.:-]+)*)?")
_BODY = """
<h1>{title}</h1>
{message}
<p>{text}</p>
<form method="post" action="/login">
<input type="hidden" name="next" value="{next}">
<input type="text" name="username" value="teacher" autocomplete="username" hidden>
<label for="password">{password}</label>
<input type="password" id="password" name="password" autocomplete="current-password" required maxlength="200"
 autocapitalize="none" spellcheck="false">
<p><button>{enter}</button></p>
</form>
"""


class Login:
    """Examines passwords, one at a time: each takes a second of an old laptop's processor and 16 MiB."""

    def __init__(self, folder: Path, sessions: Sessions) -> None:
        self._folder, self._sessions = folder, sessions
        self._limits = Limits()
        self._examiner = ThreadPoolExecutor(1, "password")

    async def page(self, view: View) -> Response:
        """The form, or what it sends."""
        _ = view.language.gettext
        if view.request.method == "POST":
            return await self._enter(view)
        if view.session:
            text = html('<h1>{title}</h1><p class="good">{text}</p>', title=_("Log in"), text=_("You are logged in."))
            return view.page(_("Log in"), text)
        return self._form(view, view.asked("next"), deeds.done(view))

    async def leave(self, view: View) -> Response:
        """Logs out."""
        response = RedirectResponse("/?done=out", 303)
        self._sessions.end(view.request, response)
        return response

    async def _enter(self, view: View) -> Response:
        _ = view.language.gettext
        form = await forms.read(view.request)
        back = form.get("next", "")
        address = client_address(view.request)
        wait = self._limits.seconds_to_wait(address)
        if wait:
            text = view.language.ngettext(
                "Too many wrong passwords. Wait {count} second.",
                "Too many wrong passwords. Wait {count} seconds.",
                wait,
            )
            response = self._form(view, back, deeds.refused(text.format(count=wait)), 429)
            response.headers["retry-after"] = str(wait)
            return response
        kept = password.kept(self._folder)
        if kept is None:
            text = _("There is no password yet. The administrator makes one with: sudo sugar-server password")
            return self._form(view, back, deeds.refused(text), 403)
        self._limits.tried(address)
        given = form.get("password", "")
        loop = asyncio.get_running_loop()
        if not await loop.run_in_executor(self._examiner, password.matches, given, kept):
            _log.warning("A wrong password came from %s.", address)
            return self._form(view, back, deeds.refused(_("This is not the password.")), 403)
        self._limits.succeeded(address)
        _log.info("The teacher logged in from %s.", address)
        response = RedirectResponse(back if _OWN_PATH.fullmatch(back) else "/laptops", 303)
        self._sessions.begin(response, kept)
        return response

    def _form(self, view: View, back: str, message: Html | None, status: int = 200) -> Response:
        _ = view.language.gettext
        body = html(
            _BODY,
            title=_("Log in"),
            message=message,
            text=_(
                "For the teacher: with the password you can restore Journal entries and look after registrations."
            ),
            next=back if _OWN_PATH.fullmatch(back) else "",
            password=_("Password"),
            enter=_("Log in"),
        )
        return view.page(_("Log in"), body, status)


def to_login(path: str) -> Response:
    """To the form, and from there back to the page."""
    return RedirectResponse("/login?next=" + quote(path), 303)
