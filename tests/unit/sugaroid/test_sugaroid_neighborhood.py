"""Whom the Neighborhood draws: the observations of real clients, one by one."""

from __future__ import annotations

import hashlib

import pytest
from sugaroid.neighborhood import Neighborhood

KEY = b"AAAAB3NzaC1kc3M"
ANA, BEN = "ana@lima", f"{hashlib.sha1(KEY).hexdigest()}@lima"


@pytest.fixture
def seen() -> Neighborhood:
    return Neighborhood(f"{ANA}/sugar")


def _arrive(seen: Neighborhood) -> None:
    seen.roster_item(BEN, "both")
    seen.presence(f"{BEN}/sugar", available=True)
    seen.properties(BEN, {"key": KEY, "color": "#FF2B34,#00588C"})


def test_an_item_and_a_key_make_a_buddy_in_either_order(seen: Neighborhood) -> None:
    assert seen.roster_item(BEN, "both")
    assert not seen.shows(BEN)
    seen.properties(BEN, {"key": KEY})
    assert seen.shows(BEN)

    other = Neighborhood(ANA)
    other.properties(BEN, {"key": KEY})
    assert not other.shows(BEN)
    assert not other.roster_item(BEN, "to")  # nothing left to ask for
    assert other.shows(BEN)
    assert len(seen) == len(other) == 1


def test_presence_and_key_without_an_item_make_none(seen: Neighborhood) -> None:
    seen.presence(f"{BEN}/sugar", available=True)
    seen.properties(BEN, {"key": KEY})

    assert not seen.shows(BEN)
    assert list(seen) == []


@pytest.mark.parametrize("subscription", ["none", "from"])
def test_a_contact_that_we_do_not_see_is_none(seen: Neighborhood, subscription: str) -> None:
    seen.properties(BEN, {"key": KEY})
    assert not seen.roster_item(BEN, subscription)
    assert not seen.shows(BEN)

    seen.roster_item(BEN, "both")
    assert seen.shows(BEN)


def test_unavailable_takes_it_away_while_the_item_is_there(seen: Neighborhood) -> None:
    _arrive(seen)
    seen.presence(f"{BEN}/sugar", available=False)

    assert not seen.shows(BEN)
    assert len(seen) == 0


def test_removing_the_item_alone_removes_nobody_nor_does_unavailable_after_it(seen: Neighborhood) -> None:
    _arrive(seen)
    seen.roster_item(BEN, "remove")
    assert seen.shows(BEN)

    seen.presence(f"{BEN}/sugar", available=False)
    assert seen.shows(BEN)


def test_a_returning_laptop_is_drawn_only_if_its_item_comes_anew(seen: Neighborhood) -> None:
    _arrive(seen)
    seen.presence(f"{BEN}/sugar", available=False)
    _arrive(seen)
    assert not seen.shows(BEN)

    seen.presence(f"{BEN}/sugar", available=False)
    seen.roster_item(BEN, "remove")
    _arrive(seen)
    assert seen.shows(BEN)
    assert (seen.appeared, seen.vanished, len(seen)) == (2, 1, 1)


def test_a_key_that_comes_after_the_leaving_draws_nobody(seen: Neighborhood) -> None:
    seen.roster_item(BEN, "both")
    seen.presence(f"{BEN}/sugar", available=False)
    seen.properties(BEN, {"key": KEY})

    assert not seen.shows(BEN)


def test_the_last_of_several_sessions_takes_it_away(seen: Neighborhood) -> None:
    _arrive(seen)
    seen.presence(f"{BEN}/desk", available=True)
    seen.presence(f"{BEN}/sugar", available=False)
    assert seen.shows(BEN)
    assert seen.is_available(BEN)

    seen.presence(f"{BEN}/desk", available=False)
    assert not seen.shows(BEN)
    assert not seen.is_available(BEN)


def test_one_is_no_buddy_of_oneself(seen: Neighborhood) -> None:
    assert not seen.roster_item(ANA, "both")
    seen.properties(ANA, {"key": KEY})

    assert list(seen) == []


def test_a_key_that_is_not_bytes_is_none_and_anothers_key_is_not_genuine(seen: Neighborhood) -> None:
    seen.roster_item(BEN, "both")
    seen.properties(BEN, {"key": "AAAAB3NzaC1kc3M", "color": 7, "nick": b"x"})
    assert not seen.shows(BEN)

    seen.properties(BEN, {"key": b"AAAAsomebody"}, asked=True)
    (buddy,) = seen
    assert buddy.asked
    assert not buddy.genuine
    seen.properties(BEN, {"key": KEY})
    assert buddy.genuine
