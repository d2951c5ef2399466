"""The library against a real Prosody, and whether the presence check notices what is wrong with a server."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from sugaroid.checks.options import Options, Ports
from sugaroid.checks.run import check
from sugaroid.crowd import crowd
from sugaroid.errors import CannotConnect
from sugaroid.presence import Presence
from sugaroid.probes import tls
from sugaroid.profile import Profile

from . import prosody as prosodies

STOCK = ("disco", "roster", "saslauth", "tls", "posix", "pep", "register", "ping")
SUGAR = ("sugar_roster", "sugar_register", "sugar_replies")


def _in_class(server: prosodies.Prosody, count: int, act: Callable[..., Awaitable[None]]) -> None:
    """Run `act` with so many laptops that are online; their accounts are removed at the end."""

    async def run() -> None:
        laptops = [_laptop(server, Profile.make()) for _ in range(count)]
        try:
            for laptop in laptops:
                await laptop.connect()
            await act(*laptops)
        finally:
            for laptop in laptops:
                if laptop.lost is not None:
                    await laptop.connect()
                await laptop.remove_account()

    asyncio.run(asyncio.wait_for(run(), 40))


def _laptop(server: prosodies.Prosody, profile: Profile) -> Presence:
    return Presence(profile, server.domain, address=server.address, port=server.port)


def test_a_server_by_itself_proves_itself_by_no_authority(prosody: prosodies.Prosody, tmp_path: Path) -> None:
    for words in ("rsa:2048",), ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"):
        argv = ["openssl", "req", "-x509", "-newkey", *words, "-nodes", "-subj", "/O=andes", "-outform", "DER"]
        der = subprocess.run([*argv, "-keyout", tmp_path / "key"], check=True, capture_output=True).stdout
        with pytest.raises(CannotConnect, match=f"does not prove that it is {prosody.domain}"):
            tls.certified(prosody.address, prosody.port, prosody.domain, der)


def test_two_laptops_see_each_other(prosody: prosodies.Prosody) -> None:
    async def meet(ana: Presence, ben: Presence) -> None:
        for one, other in ((ana, ben), (ben, ana)):
            assert await one.until(lambda session, jid=other.jid: session.neighborhood.shows(jid), 5)
            buddy = one.neighborhood.known(other.jid)
            assert buddy is not None
            assert buddy.key == other.profile.pubkey.encode()
            assert buddy.color == other.profile.color
            assert await one.until(lambda session, jid=other.jid: session.neighborhood.known(jid).nick is not None, 5)
            assert buddy.nick == other.profile.nick
            assert [found.jid for found in one.neighborhood] == [other.jid]

    _in_class(prosody, 2, meet)


def test_a_dropped_laptop_vanishes_and_is_drawn_again(prosody: prosodies.Prosody) -> None:
    async def come_back(ana: Presence, ben: Presence) -> None:
        assert await ana.until(lambda session: session.neighborhood.shows(ben.jid), 5)
        ben.drop()
        assert await ana.until(lambda session: not session.neighborhood.shows(ben.jid), 5)
        again = _laptop(prosody, ben.profile)
        await again.connect()
        assert again.conflict
        assert await ana.until(lambda session: session.neighborhood.shows(ben.jid), 5)
        await again.leave()

    _in_class(prosody, 2, come_back)


def test_sharing_an_activity(prosody: prosodies.Prosody) -> None:
    async def share(ana: Presence, ben: Presence) -> None:
        room = await ana.rooms.share(
            {"name": "Moon & <Stars>", "type": "org.laptop.Moon", "color": ana.profile.color}
        )
        assert room.created
        assert room.activity.room == f"{room.activity.id}@conference.{prosody.domain}"
        assert await ben.until(lambda session: room.activity.id in session.rooms.properties, 5)
        assert ben.rooms.properties[room.activity.id]["name"] == "Moon & <Stars>"
        await ana.rooms.look_at(room)
        assert await ben.until(lambda session: session.neighborhood.known(ana.jid).current == room.activity, 5)

        joined = await ben.rooms.join(room.activity)
        assert set(joined.occupants.values()) == {ana.jid, ben.jid}
        ben.rooms.say(joined, "two\nlines")
        assert await ana.until(lambda session: [text for _, text in room.messages] == ["two\nlines"], 5)
        await ana.rooms.leave(room)
        assert await ben.until(lambda session: session.neighborhood.known(ana.jid).activities == (), 5)

    _in_class(prosody, 2, share)


def test_a_private_activity_is_told_to_the_invited_only(prosody: prosodies.Prosody) -> None:
    async def invite(ana: Presence, ben: Presence, eve: Presence) -> None:
        room = await ana.rooms.share({"name": "Secret", "private": True})
        ana.rooms.invite(room, ben.jid)
        assert await ben.until(lambda session: len(session.rooms.invitations) == 1, 5)
        assert ben.rooms.invitations[0].room == room.activity.room
        assert ben.rooms.invitations[0].inviter == ana.jid
        assert ben.rooms.properties[room.activity.id] == {"name": "Secret", "private": True}
        assert eve.rooms.properties == {}

    _in_class(prosody, 3, invite)


def test_a_crowd_is_exact(prosody: prosodies.Prosody) -> None:
    found = asyncio.run(crowd(prosody.domain, 30, address=prosody.address, port=prosody.port, seconds=20))

    assert (found.online, found.exact, found.missing, found.strangers) == (30, 30, 0, 0)
    assert found.ok
    assert prosody.accounts() == set()


def test_a_crowd_with_a_stranger_is_not(prosody: prosodies.Prosody) -> None:
    async def gather(_stranger: Presence) -> None:
        found = await crowd(prosody.domain, 3, address=prosody.address, port=prosody.port, seconds=5)
        assert (found.ok, found.exact, found.missing, found.strangers) == (False, 0, 0, 3)

    _in_class(prosody, 1, gather)


FAULTS = {
    "no shared roster": (
        {"without": ("sugar_roster",)},
        "presence: all see each other",
        "it is not in the roster",
    ),
    "no PEP": (
        # The module loads PEP, because it speaks for it.
        {"without": ("pep", "sugar_roster")},
        "presence: PEP and conference",
        "no PEP",
    ),
    "a data form": (
        {"without": ("sugar_register",)},
        "presence: laptops log in",
        "<jabber:x:data> x, at which Sugar's client gives up",
    ),
    "no registration": (
        {"without": ("sugar_register", "register")},
        "presence: laptops log in",
        "the server offers no registration",
    ),
    "nameless replies": ({"without": ("sugar_replies",)}, "presence: replies name their sender", "had no `from`"),
    "TLS 1.3": (
        {"extra": 'local tls = { protocol = "tlsv1_2+"; options = {} }; ssl = tls; c2s_direct_tls_ssl = tls'},
        "presence: TLS 1.2 at most",
        "agrees on TLSv1.3",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_the_check_notices(fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sugaroid.checks.presence.SEE_SECONDS", 3.0)
    change, name, seen = FAULTS[fault]
    modules = [module for module in (*STOCK, *SUGAR) if module not in change.get("without", ())]
    listed = ", ".join(f'"{module}"' for module in modules)
    extra = f"modules_enabled = {{ {listed} }}\n{change.get('extra', '')}"
    with prosodies.running(tmp_path, extra=extra) as server:
        ports = Ports(presence=server.port, presence_plain=server.plain_port)
        report = asyncio.run(check(Options(server.domain, server.address, expect=("presence",), ports=ports)))

        failed = {f"{found.service}: {found.check}": found.seen for found in report.checks if not found.ok}
        assert seen in failed.get(name, ""), failed
        assert not report.ok
        assert server.accounts() == set()
