"""What is known of leases, in SQLite and in PostgreSQL."""

from __future__ import annotations

import contextlib

import pytest
from sugar_server.antitheft import clock
from sugar_server.antitheft.store import FOR_EVER, NAME, Kept, Store, last_good, standing
from sugar_server.database import reading

NOW = 1_795_700_000


@pytest.fixture
def store(tmp_path, kept_in):
    with contextlib.closing(Store(tmp_path)) as store:
        yield store


def test_of_two_leases_the_later_counts(store, tmp_path):
    assert store.take_leases([Kept("SHC12345678", "a\n", NOW)]) == 1
    assert store.take_leases([Kept("SHC12345678", "b\n", NOW - 1)]) == 0
    assert store.take_leases([Kept("SHC12345678", "c\n", FOR_EVER)]) == 1
    store.keep_issued(Kept("SHC12345678", "d\n", NOW + 1), NOW)
    with reading(tmp_path / NAME) as reader:
        assert standing(reader, "SHC12345678").latest == Kept("SHC12345678", "c\n", FOR_EVER)
        assert not standing(reader, "SHC00000002").is_known


def test_a_delegation_to_a_new_key_replaces_a_longer_one_to_the_old(store):
    assert store.take_delegations([Kept("SHC12345678", "a\n", NOW)], "old") == 1
    assert store.take_delegations([Kept("SHC12345678", "b\n", NOW - 1)], "old") == 0
    assert store.take_delegations([Kept("SHC12345678", "c\n", NOW - 1)], "new") == 1
    found = store.standing("SHC12345678")
    assert (found.delegation.line, found.keyid) == ("c\n", "new")


def test_the_time_is_kept(store, tmp_path):
    assert store.last_good() is None
    store.note_time(NOW)
    store.note_time(NOW - 5)
    with reading(tmp_path / NAME) as reader:
        assert last_good(reader) == NOW - 5


@pytest.mark.parametrize(
    ("now", "last", "words"),
    [
        (0, None, "past"),
        (1_262_304_000, None, "past"),  # 2010
        (2**31 + 10**9, None, "says"),
        (2**40, NOW, "leapt"),
        (10**13, None, "says"),
        (NOW, None, ""),
        (NOW - 86_000, NOW, ""),
        (NOW - 87_000, NOW, "went back"),
        (NOW + 399 * 86_400, NOW, ""),
        (NOW + 401 * 86_400, NOW, "leapt"),
    ],
)
def test_which_clock_may_be_right(now, last, words):
    told = clock.problem(now, last)
    assert words in told
    assert bool(told) is bool(words)
