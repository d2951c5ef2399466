"""Accounts that nobody has used for long."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .conftest import RELEASES
from .laptop import Laptop
from .server import Server, running
from .wire import account

USED, UNUSED, ONLINE = 1, 2, 3
TODAY = int(time.time()) // 86400


def _note(path: Path, **days: int) -> None:
    """As the server notes days: since 1970."""
    lines = "".join(f'["{name}"] = {day};' for name, day in days.items())
    path.write_text(f"return {{ {lines} }};\n")


def _clock(server: Server) -> Path:
    (host,) = (server.folder / "data").glob("*example")
    return host / "sugar_seen.dat"


def _age(server: Server) -> Laptop:
    """Three accounts, of which one has not been used for longer than it may; the one that is used now."""
    used, unused, online = (Laptop(server.tls_port, server.domain, number) for number in (USED, UNUSED, ONLINE))
    for laptop in (used, unused):
        laptop.close()
    for laptop, days in ((used, 29), (unused, 31), (online, 31)):
        noted = next(path for path in server.stored("sugar_seen") if laptop.name in path.name)
        assert f"= {TODAY};" in noted.read_text() or f"= {TODAY + 1};" in noted.read_text()
        _note(noted, day=TODAY - days)
    return online


def _accounts(server: Server) -> set[str]:
    return {path.stem for path in server.stored("accounts")}


def _noted(server: Server) -> set[str]:
    return {path.stem for path in server.stored("sugar_seen")}


SETTINGS = "sugar_unused_account_days = 30\nsugar_expiry_first_seconds = 600\n"


def _look(server: Server) -> None:
    """The server looks at its accounts now, instead of when it has run for a while."""
    settings = server.folder / "test.conf"
    settings.write_text(settings.read_text().replace("first_seconds = 600", "first_seconds = 0.1"))
    assert "OK" in server.shell("config:reload()")
    assert "OK" in server.shell("module:reload('sugar_expiry')")


@pytest.mark.parametrize("release", RELEASES)
def test_unused_accounts_are_removed_and_no_others(release: str) -> None:
    with running(SETTINGS, command=RELEASES[release]) as server:
        online = _age(server)
        _note(_clock(server), since=TODAY - 14, day=TODAY - 60)
        _look(server)
        deadline = time.monotonic() + 20
        kept = {account(USED)[0], account(ONLINE)[0]}
        while (left := (_accounts(server), _noted(server))) != (kept, kept):
            assert time.monotonic() < deadline, left
            time.sleep(0.1)
        assert Laptop(server.tls_port, server.domain, UNUSED).jid  # it makes its account again
        online.close()


@pytest.mark.parametrize(
    ("since", "day"),
    [(-900, -400), (-900, 1), (-13, 0)],
    ids=["has jumped ahead", "was set back", "has been right for some days only"],
)
def test_while_the_clock_may_be_wrong_nothing_is_removed(since: int, day: int) -> None:
    with running(SETTINGS) as server:
        online = _age(server)
        _note(_clock(server), since=TODAY + since, day=TODAY + day)
        before, deadline = _clock(server).stat().st_mtime_ns, time.monotonic() + 20
        _look(server)
        while _clock(server).stat().st_mtime_ns == before:
            assert time.monotonic() < deadline, "nobody looked at the accounts"
            time.sleep(0.1)
        online.settle()  # whatever was removed with it is gone by now
        assert _accounts(server) == {account(number)[0] for number in (USED, UNUSED, ONLINE)}
        online.close()


def test_a_login_under_a_clock_that_was_set_back_makes_no_account_older() -> None:
    with running() as server:
        Laptop(server.tls_port, server.domain, USED).close()
        (noted,) = server.stored("sugar_seen")
        _note(noted, day=TODAY + 500)
        Laptop(server.tls_port, server.domain, USED).close()
        assert f"= {TODAY + 500};" in noted.read_text()
