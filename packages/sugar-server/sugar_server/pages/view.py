# SPDX-License-Identifier: GPL-3.0-or-later
"""What every page has around its own: the heading, the ways to the other pages, the languages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from sugar_server.pages.languages import NAMES, Language, direction, language, negotiate
from sugar_server.pages.markup import Html, html
from sugar_server.pages.sessions import Session
from sugar_server.pages.style import SHEET

_COOKIE = "sugar_language"
_YEAR = 365 * 24 * 3600
_FRAME = """<!DOCTYPE html>
<html lang="{code}" dir="{direction}">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>{title} – {school}</title>
<style>{sheet}</style>
</head>
<body>
<a class="skip" href="#main">{skip}</a>
<header>
<p>{school}</p>
<nav aria-label="{pages}">
<ul>
{links}
{login}
</ul>
</nav>
</header>
<main id="main">
{body}
</main>
<footer>
<nav aria-label="{languages}">
<ul>
{choices}
</ul>
</nav>
</footer>
</body>
</html>
"""


@dataclass(frozen=True)
class View:
    """One request as the pages see it."""

    request: Request
    school: str
    language: Language
    session: Session | None
    now: float
    """Seconds since 1970."""
    links: Sequence[tuple[str, str]] = ()
    """The pages in the navigation: address and name."""
    has_login: bool = True

    @property
    def path(self) -> str:
        # Not by request.url, which fails where the Host header is nonsense.
        return str(self.request.scope["path"])

    def asked(self, name: str, longest: int = 100) -> str:
        """A field of the address's query, "" if it is not there."""
        return self.request.query_params.get(name, "").strip()[:longest]

    def page(self, title: str, body: Html, status: int = 200) -> Response:
        """The whole page."""
        _ = self.language.gettext
        content = html(
            _FRAME,
            code=self.language.code,
            direction=self.language.direction,
            title=title,
            school=self.school,
            sheet=SHEET,
            skip=_("Skip to the content"),
            pages=_("Pages"),
            links=[self._link(address, name) for address, name in self.links],
            login=self._login(),
            body=body,
            languages=_("Languages"),
            choices=[self._choice(code, name) for code, name in NAMES.items()],
        )
        response = HTMLResponse(content, status)
        response.headers["content-language"] = self.language.code
        if self.asked("lang") == self.language.code:
            response.set_cookie(_COOKIE, self.language.code, max_age=_YEAR, path="/", samesite="lax")
        return response

    def button(self, address: str, name: str, kind: str = "", fields: Html | None = None) -> Html:
        """A form with one button, and with the token that shows that it is ours."""
        return html(
            '<form method="post" action="{address}">{token}{fields}<button class="{kind}">{name}</button></form>',
            address=address,
            token=self.token(),
            fields=fields,
            kind=kind,
            name=name,
        )

    def token(self) -> Html:
        """The field that every form of a session holds."""
        token = self.session.form_token if self.session else ""
        return html('<input type="hidden" name="token" value="{token}">', token=token)

    def _link(self, address: str, name: str) -> Html:
        here = self.path == address or (address != "/" and self.path.startswith(address.rstrip("/") + "/"))
        current = Html(' aria-current="page"') if here else None
        return html('<li><a href="{address}"{current}>{name}</a></li>\n', address=address, current=current, name=name)

    def _login(self) -> Html | None:
        _ = self.language.gettext
        if not self.has_login:
            return None
        if self.session is None:
            return self._link("/login", _("Log in"))
        return html("<li>{button}</li>", button=self.button("/logout", _("Log out"), "plain"))

    def _choice(self, code: str, name: str) -> Html:
        if code == self.language.code:
            return html('<li><span lang="{code}" aria-current="true">{name}</span></li>\n', code=code, name=name)
        query = [(key, value) for key, value in self.request.query_params.multi_items() if key != "lang"]
        return html(
            '<li><a href="{address}" lang="{code}" hreflang="{code}" dir="{direction}">{name}</a></li>\n',
            address="?" + urlencode([*query[:10], ("lang", code)], errors="replace"),
            code=code,
            direction=direction(code),
            name=name,
        )


def chosen_language(request: Request) -> Language:
    """The language that was asked for, on this page or once before, or the one that the browser likes best."""
    for code in (request.query_params.get("lang"), request.cookies.get(_COOKIE)):
        if code in NAMES:
            return language(code)
    return language(negotiate(request.headers.get("accept-language", "")))
