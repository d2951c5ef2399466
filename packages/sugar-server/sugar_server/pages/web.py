# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages' addresses on the web: who may ask for which, and where its content comes from."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from concurrent.futures import Future
from enum import Enum
from pathlib import Path
from typing import Any, Callable, TypeVar

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from sugar_server.config import Config
from sugar_server.pages import child, deeds, forms, home, listing, server
from sugar_server.pages.addresses import is_nearby
from sugar_server.pages.laptops import Laptop, laptops, matching
from sugar_server.pages.login import Login, to_login
from sugar_server.pages.markup import html
from sugar_server.pages.providers import Backups, Providers, Refused
from sugar_server.pages.sessions import Sessions
from sugar_server.pages.view import View, chosen_language
from sugar_server.registration.store import Store
from sugar_server.requests import BadRequest, client_address

T = TypeVar("T")
Handler = Callable[[View], Awaitable[Response]]
Submit = Callable[[Callable[[Store], Any]], "Future[Any]"]
_SECONDS_TO_WAIT = 10
_log = logging.getLogger(__name__)


class For(Enum):
    """Whom a page is for."""

    ANYONE = "anyone"
    NEARBY = "anyone in the school's networks"
    SCHOOL = "the same, where the pages are public; else the teacher"
    TEACHER = "the teacher"


class NotFound(Exception):
    """There is no such page."""


class Pages:
    """The set of pages."""

    def __init__(
        self,
        config: Config,
        folder: Path,
        submit: Submit,
        health: Callable[[], Awaitable[Mapping[str, Any]]],
        providers: Providers,
        clock: Callable[[], float],
    ) -> None:
        self._config, self._folder, self._submit, self._health = config, folder, submit, health
        self._providers, self._clock = providers, clock
        self.sessions = Sessions(folder)
        self._login = Login(folder, self.sessions)
        self.home = self._endpoint(self._home, For.ANYONE)

    def routes(self) -> list[Route]:
        """All but /, which laptops use too."""
        pages = [
            ("/laptops", self._list, For.SCHOOL, ["GET"]),
            ("/laptops/{number}", self._child, For.SCHOOL, ["GET"]),
            ("/laptops/{number}/approve", self._approve, For.TEACHER, ["POST"]),
            ("/laptops/{number}/forget", self._forget, For.TEACHER, ["GET", "POST"]),
            ("/laptops/{number}/adopt", self._adopt, For.TEACHER, ["GET", "POST"]),
            ("/laptops/{number}/{snapshot}", self._entries, For.TEACHER, ["GET"]),
            ("/server", self._server, For.SCHOOL, ["GET"]),
            ("/login", self._login.page, For.NEARBY, ["GET", "POST"]),
            ("/logout", self._leave, For.NEARBY, ["POST"]),
        ]
        if self._providers.statistics:
            pages.append(("/statistics", self._statistics, For.SCHOOL, ["GET"]))
        return [Route(path, self._endpoint(page, whom), methods=methods) for path, page, whom, methods in pages]

    def _endpoint(self, handler: Handler, whom: For) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            view = self.view(request)
            _ = view.language.gettext
            try:
                return self._kept_out(view, whom) or await handler(view)
            except NotFound:
                return self._error(view, 404, _("Not found"), _("There is no such page here, or no longer."))
            except BadRequest as error:
                _log.warning("Refused a form from %s: %s.", client_address(request), error)
                text = _("This form is not valid any more. Go back, load the page anew and try again.")
                return self._error(view, error.status, _("Not done"), text)
            except Exception:
                _log.exception("The page %s failed.", ascii(request.scope["path"])[:100])
                text = _("The server cannot show this page now. Try again in a minute.")
                return self._error(view, 503, _("Not now"), text)

        return endpoint

    def view(self, request: Request) -> View:
        """The request as pages see it, with the ways to those that its sender may see."""
        settings = self._config.pages
        session = self.sessions.of(request) if settings.enabled else None
        shown = settings.enabled and (session is not None or settings.public)
        language = chosen_language(request)
        _ = language.gettext
        links = [("/", _("Home"))]
        if shown:
            links.append(("/laptops", _("Laptops")))
        if self._providers.library:
            links.append((self._providers.library.address(), _("Activities")))
        if shown:
            links += [("/statistics", _("Statistics"))] if self._providers.statistics else []
            links.append(("/server", _("Server")))
        return View(request, self._config.title, language, session, self._clock(), links, settings.enabled)

    def for_school(
        self, endpoint: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Another room's ENDPOINT, for those only who may see the school's pages."""
        return self._endpoint(lambda view: endpoint(view.request), For.SCHOOL)

    def may_restore(self, request: Request) -> bool:
        """Whether it is the teacher who asks, from where the teacher's pages may be asked for."""
        nearby = self._config.pages.login_from != "nearby" or is_nearby(client_address(request))
        return self._config.pages.enabled and nearby and self.sessions.authorized(request)

    def _kept_out(self, view: View, whom: For) -> Response | None:
        """What those get for whom the page is not."""
        _ = view.language.gettext
        if whom is For.ANYONE:
            return None
        if not self._config.pages.enabled:
            raise NotFound
        if self._config.pages.login_from == "nearby" and not is_nearby(client_address(view.request)):
            return self._error(view, 403, _("Not from here"), _("This page is only for the school's own network."))
        if view.session or whom is For.NEARBY or (whom is For.SCHOOL and self._config.pages.public):
            return None
        if view.request.method == "POST":
            return self._error(view, 403, _("Not done"), _("You are not logged in any more. Log in and try again."))
        return to_login(view.path)

    def _error(self, view: View, status: int, title: str, text: str) -> Response:
        return view.page(title, html('<h1>{title}</h1><p class="bad">{text}</p>', title=title, text=text), status)

    async def _home(self, view: View) -> Response:
        _ = view.language.gettext
        return view.page(_("Home"), home.body(view, self._providers.library, deeds.done(view)))

    async def _list(self, view: View) -> Response:
        everyone = await self._laptops()
        backups = self._providers.backups

        def work() -> Response:
            accepted = [laptop for laptop in everyone if not laptop.held]
            found = matching(accepted, view.asked("q"), with_serials=view.session is not None)
            page = listing.page_number(view.asked("page", 6), len(found))
            some = listing.shown(found, page)
            last = {laptop.identity: backups.last(laptop.identity) for laptop in some} if backups else None
            held = [laptop for laptop in everyone if laptop.held] if view.session else []
            body = listing.body(view, found, last, held, deeds.done(view))
            return view.page(view.language.gettext("Laptops"), body)

        return await _in_thread(work)

    async def _child(self, view: View) -> Response:
        laptop = await self._laptop(view)
        backups, leases = self._providers.backups, self._providers.leases
        # Who waits for approval is nobody's business but the teacher's.
        if laptop.held and not view.session:
            raise NotFound

        def work() -> Response:
            snapshots = backups.snapshots(laptop.identity) if backups and not laptop.held else ()
            lease = leases.state(laptop.serial) if leases and view.session else None
            body = child.body(view, laptop, backups, snapshots, lease, deeds.done(view))
            return view.page(listing.name(view, laptop), body)

        return await _in_thread(work)

    async def _entries(self, view: View) -> Response:
        laptop = await self._laptop(view)
        backups = self._backups()

        def work() -> Response:
            name = view.request.path_params["snapshot"]
            for snapshot in backups.snapshots(laptop.identity):
                if snapshot.name == name:
                    entries = backups.entries(laptop.identity, name)
                    body = child.entries(view, laptop, snapshot, entries, backups)
                    return view.page(listing.name(view, laptop), body)
            raise NotFound

        return await _in_thread(work)

    async def _approve(self, view: View) -> Response:
        await _own_form(view)
        laptop = await self._laptop(view)
        if not laptop.held or not await self._written(lambda store: store.approve(laptop.identity)):
            raise NotFound
        _log.info("The teacher approved %s from %s.", laptop.identity, client_address(view.request))
        return RedirectResponse("/laptops?done=approved", 303)

    async def _forget(self, view: View) -> Response:
        laptop = await self._laptop(view)
        if view.request.method != "POST":
            return view.page(listing.name(view, laptop), deeds.forget(view, laptop))
        await _own_form(view)
        verb, done = ("refuse", "refused") if laptop.held else ("forget", "forgotten")
        if not await self._written(lambda store: getattr(store, verb)(laptop.identity)):
            raise NotFound
        _log.info("The teacher has %s %s from %s.", done, laptop.identity, client_address(view.request))
        return RedirectResponse(f"/laptops?done={done}", 303)

    async def _adopt(self, view: View) -> Response:
        laptop = await self._laptop(view)
        backups = self._backups()
        others = [one for one in await self._laptops() if not one.held and one.identity != laptop.identity]
        message = None
        if view.request.method == "POST":
            number = (await _own_form(view)).get("heir", "")
            heir = next((one for one in others if one.number == number), None)
            if heir is None:
                raise NotFound
            try:
                await _in_thread(lambda: backups.adopt(laptop.identity, heir.identity))
                _log.info("The teacher gave the backups of %s to %s.", laptop.identity, heir.identity)
                return RedirectResponse(f"/laptops/{heir.number}?done=adopted", 303)
            except Refused as error:
                message = deeds.refused(str(error))
        candidates = matching(others, view.asked("q"), with_serials=True)
        body = deeds.adopt(view, laptop, candidates, message)
        return view.page(listing.name(view, laptop), body, 409 if message else 200)

    async def _server(self, view: View) -> Response:
        health = await self._health()

        def work() -> Response:
            state = server.examine(self._folder, health, self._providers, view.language.code)
            body = server.body(view, state, self._providers.synchronisation is not None)
            return view.page(view.language.gettext("Server"), body)

        return await _in_thread(work)

    async def _statistics(self, view: View) -> Response:
        statistics = self._providers.statistics
        if statistics is None:
            raise NotFound
        plots = await _in_thread(lambda: statistics.plots(view.language.code))
        return view.page(view.language.gettext("Statistics"), home.plots(view, plots))

    async def _leave(self, view: View) -> Response:
        if view.session:
            await _own_form(view)
        return await self._login.leave(view)

    def _backups(self) -> Backups:
        if self._providers.backups is None:
            raise NotFound
        return self._providers.backups

    async def _laptops(self) -> list[Laptop]:
        rows = await self._written(lambda store: store.registrations())
        return await _in_thread(lambda: laptops(rows))

    async def _laptop(self, view: View) -> Laptop:
        number = view.request.path_params["number"]
        for laptop in await self._laptops():
            if laptop.number == number:
                return laptop
        raise NotFound

    async def _written(self, work: Callable[[Store], T]) -> T:
        """What WORK gives, on the store of the one thread that has it."""
        return await asyncio.wait_for(asyncio.wrap_future(self._submit(work)), _SECONDS_TO_WAIT)


async def _own_form(view: View) -> dict[str, str]:
    """The form, once it is sure that a page of this very session sent it."""
    form = await forms.read(view.request)
    if view.session is None or not view.session.sent_by_own_form(form.get("token", "")):
        raise BadRequest("the form's token is not the session's", 403)
    return form


async def _in_thread(work: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(None, work)
