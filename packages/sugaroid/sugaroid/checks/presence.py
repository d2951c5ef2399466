# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings pretended laptops on the air and sees whether they see each other, as Sugar's Neighborhood would."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Sequence

from sugaroid.background import in_background
from sugaroid.checks.options import Options
from sugaroid.checks.report import Report, Unexpected
from sugaroid.errors import PresenceError, SugaroidError
from sugaroid.presence import Presence
from sugaroid.probes import tls
from sugaroid.profile import Profile
from sugaroid.xmpp import names
from sugaroid.xmpp.names import tag
from sugaroid.xmpp.payloads import Properties

SEE_SECONDS = 15.0
FELLOW_SECONDS = 40.0
"""A line between two schools may have been lost just now, and is made anew."""
_OLD_ENOUGH = ("TLSv1", "TLSv1.1", "TLSv1.2")


async def check_presence(report: Report, options: Options, address: str, laptops: Sequence[Profile]) -> None:
    """Everything a class does in its first minutes; the accounts are removed at the end."""
    await _Presence(report, options, address, laptops).run()


class _Presence:
    def __init__(self, report: Report, options: Options, address: str, laptops: Sequence[Profile]) -> None:
        self.report, self.options, self.address = report, options, address
        self.sessions = [self._session(laptop) for laptop in laptops]
        self.where = f"{options.server}:{options.ports.presence} (at {address})"

    def _session(self, laptop: Profile) -> Presence:
        return Presence(laptop, self.options.server, address=self.address, port=self.options.ports.presence)

    async def run(self) -> None:
        step = self.report.step
        if not await step("presence", "TLS 1.2 at most", f"all versions of TLS, to {self.where}", self._tls):
            return
        if self.options.authority:
            tried = f"a certificate of the deployment's authority for {self.options.server}, at {self.where}"
            await step("presence", "the server proves who it is", tried, self._certified)
        try:
            if not await step("presence", "laptops log in", f"registration and login, to {self.where}", self._arrive):
                return
            await step("presence", "replies name their sender", "requests without `to`", self._named_replies)
            # What comes after a failure of these would fail for the same reason, and take its time.
            if not await step("presence", "PEP and conference", "disco#info and disco#items", self._features):
                return
            if not await step(
                "presence", "all see each other", "roster, presence, key and colour", self._all_see_all
            ):
                return
            await step("presence", "an activity is shared", "room, invitation, chat", self._share)
            for domain in self.options.fellows:
                tried = f"disco#info of conference.{domain}, through {self.where}"
                await step("presence", f"{domain} is reached", tried, functools.partial(self._reach, domain))
            await step("presence", "leaving is seen", "the last laptop says goodbye", self._leave)
            await step("presence", "a laptop returns", "registration (conflict), login", self._return)
            await step("presence", "falling off is seen", "the first laptop's connection is cut", self._fall_off)
            await step("presence", "the other order", "the first laptop comes last", self._first_comes_last)
        finally:
            await step("presence", "accounts removed", "XEP-0077 remove", self._remove)

    async def _tls(self) -> str:
        port, name = self.options.ports.presence, self.options.server
        version = await in_background(lambda: tls.version(self.address, port, name), 2 * tls.SECONDS)
        if version not in _OLD_ENOUGH:
            raise Unexpected(f"the server agrees on {version}, after which Sugar's client stands still")
        return version

    async def _certified(self) -> str:
        port, name, authority = self.options.ports.presence, self.options.server, self.options.authority
        until = await in_background(lambda: tls.certified(self.address, port, name, authority), 2 * tls.SECONDS)
        return f"it is that, until {until}"

    async def _arrive(self) -> str:
        for session in self.sessions:
            await session.connect()
            if session.conflict:
                raise Unexpected(f"the account {session.jid} was there before it was made")
        return f"{len(self.sessions)} accounts made, {self.sessions[0].full_jid} and others online"

    async def _features(self) -> str:
        for session in self.sessions:
            if not session.has_pep:
                raise Unexpected("no PEP (identity pubsub/pep): no colours and no shared activities")
            if session.conference is None:
                raise Unexpected("no conference service among the server's items: nothing can be shared")
        return f"PEP, and rooms at {self.sessions[0].conference}"

    async def _named_replies(self) -> str:
        nameless = sum(session.nameless_replies for session in self.sessions)
        if nameless:
            raise Unexpected(f"{nameless} answers had no `from`, which confuses Sugar's client")
        return "every answer says whom it is from"

    async def _all_see_all(self) -> str:
        await asyncio.gather(*(self._see(one, other) for one in self.sessions for other in self.sessions))
        asked = sum(buddy.asked for session in self.sessions for buddy in session.neighborhood)
        pairs = len(self.sessions) * (len(self.sessions) - 1)
        return f"{pairs} views complete, {asked} of the keys only when asked for"

    async def _see(self, one: Presence, other: Presence) -> None:
        if one is other:
            return
        await one.until(lambda session: _complete(session, other) == "", SEE_SECONDS)
        missing = _complete(one, other)
        if missing:
            raise Unexpected(f"{_name(one)} does not see {_name(other)}: {missing}")

    async def _share(self) -> str:
        one, other = self.sessions[0], self.sessions[-1]
        properties: Properties = {"name": "Verify", "type": "org.laptop.Chat", "color": one.profile.color}
        room = await one.rooms.share(properties)

        def is_told(session: Presence) -> bool:
            buddy = session.neighborhood.known(one.jid)
            return buddy is not None and room.activity in buddy.activities

        if not await other.until(is_told, SEE_SECONDS):
            raise Unexpected("the activity is not shown to the other laptop")
        one.rooms.invite(room, other.jid)
        if not await other.until(lambda session: bool(session.rooms.invitations), SEE_SECONDS):
            raise Unexpected("the invitation does not arrive")
        joined = await other.rooms.join(room.activity)
        if one.jid not in joined.occupants.values():
            raise Unexpected("the room hides who is in it, so buddies cannot be matched")
        other.rooms.say(joined, "¡Hola! <&>")
        if not await one.until(lambda _session: "¡Hola! <&>" in [text for _, text in room.messages], SEE_SECONDS):
            raise Unexpected("what is said in the room does not arrive")
        await one.rooms.leave(room)
        await other.rooms.leave(joined)
        return f"invited, joined and talked in {room.activity.room}"

    async def _reach(self, domain: str) -> str:
        """Whether what is said here arrives at another school, and its answer here."""
        rooms = f"conference.{domain}"
        query = tag("query", {"xmlns": names.DISCO_INFO})
        try:
            answer = await self.sessions[0].iq("get", query, to=rooms, seconds=FELLOW_SECONDS)
        except PresenceError as error:
            raise Unexpected(f"its rooms, where shared activities are, do not answer: {error}") from error
        return f"answered by {answer.get('from')}"

    async def _leave(self) -> str:
        gone = self.sessions[-1]
        await gone.leave()
        return await self._disappears(gone)

    async def _return(self) -> str:
        back = self.sessions[-1] = self._session(self.sessions[-1].profile)
        await back.connect()
        if not back.conflict:
            raise Unexpected("the account of a laptop that comes back could be made a second time")
        await asyncio.gather(*(self._see(one, back) for one in self.sessions))
        await asyncio.gather(*(self._see(back, other) for other in self.sessions))
        return "conflict, login, drawn again by all"

    async def _fall_off(self) -> str:
        gone = self.sessions[0]
        gone.drop()
        return await self._disappears(gone)

    async def _first_comes_last(self) -> str:
        back = self.sessions[0] = self._session(self.sessions[0].profile)
        await back.connect(register_first=False)
        await asyncio.gather(*(self._see(one, back) for one in self.sessions))
        await asyncio.gather(*(self._see(back, other) for other in self.sessions))
        return "sees all who were there, and they see it"

    async def _disappears(self, gone: Presence) -> str:
        for session in self.sessions:
            if session is not gone and not await session.until(
                lambda other: not other.neighborhood.shows(gone.jid), SEE_SECONDS
            ):
                raise Unexpected(f"{_name(session)} still shows {_name(gone)} after {SEE_SECONDS:.0f} s")
        return "all took it away"

    async def _remove(self) -> str:
        left = [session for session, gone in zip(self.sessions, await self._remove_all()) if not gone]
        if left:
            raise Unexpected(f"left behind: {', '.join(session.jid for session in left)}")
        return f"{len(self.sessions)} accounts removed"

    async def _remove_all(self) -> list[bool]:
        return list(await asyncio.gather(*(_remove(session) for session in self.sessions)))


async def _remove(session: Presence) -> bool:
    try:
        if not session.has_account:
            return True  # it never came so far as to have an account
        if session.lost is not None or session.full_jid == "":
            await session.connect(register_first=False)
        await session.remove_account()
    except SugaroidError as error:
        return getattr(error, "condition", "") == "not-authorized"  # no such account, or no longer
    return True


def _complete(session: Presence, other: Presence) -> str:
    """What is missing for this laptop to draw the other one; empty if nothing is."""
    neighborhood = session.neighborhood
    buddy = neighborhood.known(other.jid)
    key_came = buddy is not None and buddy.key is not None
    steps = (
        (neighborhood.roster.get(other.jid) in ("both", "to"), "it is not in the roster"),
        (neighborhood.is_available(other.jid), "no presence came"),
        (key_came, "its key did not come"),
        (buddy is not None and buddy.genuine, "its key is another laptop's"),
        (buddy is not None and buddy.color == other.profile.color, "its colour is not its own"),
        (neighborhood.shows(other.jid), "its roster item was not pushed anew"),
    )
    return next((missing for done, missing in steps if not done), "")


def _name(session: Presence) -> str:
    return session.profile.account[:8]
