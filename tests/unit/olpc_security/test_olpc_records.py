"""Developer keys, clock resets, delegations and wrappers: read as they were written, taken by the model, and never
with a changed bit."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from olpc_security import issue, records
from olpc_security.delegations import read_delegations, require_delegation, write_delegations
from olpc_security.laptop import Laptop
from olpc_security.rules import Refusal
from olpc_security.scan import Clock, scan_developer_keys, scan_leases, scan_rtc_resets
from olpc_security.sign import delegate
from olpc_security.times import NEVER, written
from olpc_security.wrapper import find_leases, read_wrapper, write_wrapper

from . import model
from .test_olpc_properties import LAPTOPS, TIMES, flipped
from .vectors import JUNE_2025, LAPTOP, OTHER, private, public, trusting

COUNTS = st.integers(0, 10**10 - 1).map(lambda count: f"{count:010d}")
PAST = st.integers(0, JUNE_2025).map(written) | st.just(NEVER)
LEASE, SERVER, DEVELOPER = private("lease"), private("server"), private("developer")
ROOT = trusting("lease")
FAR = "20351231T235959Z"


@settings(max_examples=30, deadline=None)
@given(LAPTOPS)
def test_a_developer_key_is_taken_by_its_laptop_for_ever(laptop: Laptop) -> None:
    line = issue.developer_key(DEVELOPER, laptop).line
    assert records.parse(line).line == line
    assert len(line) == 630
    for now in (0, JUNE_2025, 2**33):
        assert scan_developer_keys(line.encode(), laptop, trusting("developer"), now).is_valid
        asked = (line.encode(), b"dev01:", laptop.serial.encode(), laptop.uuid.encode())
        assert model.scan(*asked, [public("developer").der], now) == model.VALID
        assert model.scan(*asked, [public("lease").der], now) == model.NONE, "a key of another purpose"


@settings(max_examples=40, deadline=None)
@given(LAPTOPS, PAST, COUNTS, st.integers(JUNE_2025, JUNE_2025 + 10**9).map(written), st.booleans())
def test_a_clock_reset_is_for_what_the_laptop_shows(
    laptop: Laptop, current: str, count: str, new: str, is_delegated: bool
) -> None:
    chain = delegate(LEASE, SERVER.public, laptop.serial, FAR) if is_delegated else None
    signer = SERVER if is_delegated else LEASE
    reset = issue.rtc_reset(signer, laptop, current=current, count=count, new=new, chain=chain)
    assert records.parse(reset.line) == reset
    assert records.parse(reset.line).line == reset.line
    data = reset.line.encode()
    assert scan_rtc_resets(data, laptop, ROOT, JUNE_2025, Clock(current, count)).is_valid
    other = f"{(int(count) + 1) % 10**10:010d}"
    assert not scan_rtc_resets(data, laptop, ROOT, JUNE_2025, Clock(current, other)).is_valid
    words = data[:-1].split(b" ")
    text = b":".join((laptop.serial.encode(), laptop.uuid.encode(), *words[2:5]))
    assert words[:5] == [b"rtc01:", *(part.encode() for part in (laptop.serial, current, count, new))]
    assert model.signed(words[5:], text, laptop.serial.encode(), [public("lease").der], JUNE_2025)
    assert not model.signed(words[5:], text + b"0", laptop.serial.encode(), [public("lease").der], JUNE_2025)


@settings(max_examples=30, deadline=None)
@given(st.lists(LAPTOPS, min_size=1, max_size=4, unique_by=lambda laptop: laptop.serial), TIMES)
def test_delegations_let_the_server_sign_for_these_laptops(laptops: list[Laptop], expires: str) -> None:
    made = [issue.delegation(LEASE, SERVER.public, laptop, expires, JUNE_2025) for laptop in laptops]
    data = write_delegations(made)
    assert list(read_delegations(data)) == sorted(laptops, key=lambda laptop: laptop.serial)
    for record in read_delegations(data).values():
        require_delegation(record, SERVER.public, ROOT, JUNE_2025)
        words = record.line.encode()[:-1].split(b" ")
        serial = record.laptop.serial.encode()
        # A chain's signature is of the next key's line.
        following = b"key01: " + SERVER.public.der.hex().encode() + b"\n"
        assert model.signed(words[3:], following, serial, [public("lease").der], JUNE_2025)


def test_no_changed_bit_of_a_delegation_passes() -> None:
    record = issue.delegation(LEASE, SERVER.public, LAPTOP, FAR, JUNE_2025)
    passed = []
    for place, bad in flipped(record.line.encode()[:-1]):
        try:
            (read,) = read_delegations(bad).values()
            require_delegation(read, SERVER.public, ROOT, JUNE_2025)
        except Refusal:
            continue
        # The UUID is not signed in a delegation, but in each lease that rests on it.
        lease = issue.lease(SERVER, read.laptop, "20300101T000000Z", JUNE_2025, read.chain).line.encode()
        if read.laptop.serial != LAPTOP.serial or scan_leases(lease, LAPTOP, ROOT, JUNE_2025).is_valid:
            passed.append(place)
    assert passed == []


@settings(max_examples=30, deadline=None)
@given(st.lists(LAPTOPS, min_size=1, max_size=5, unique_by=lambda laptop: laptop.serial), TIMES)
def test_a_wrapper_has_each_laptops_lines(laptops: list[Laptop], expires: str) -> None:
    leases = [issue.lease(LEASE, laptop, expires, JUNE_2025) for laptop in laptops]
    data = write_wrapper(leases)
    assert [one for several in read_wrapper(data).values() for one in several] == sorted(
        leases, key=lambda one: one.serial
    )
    # Another parser, told only to take line feeds as they are.
    version, lines = json.loads(data, strict=False)
    assert (version, lines) == (1, {lease.serial: lease.line for lease in leases})
    for laptop, lease in zip(laptops, leases, strict=True):
        assert find_leases(data, laptop.serial) == lease.line.encode()


def test_no_changed_bit_of_a_wrapper_gives_a_laptop_another_lease() -> None:
    own = issue.lease(LEASE, LAPTOP, FAR, JUNE_2025)
    data = write_wrapper([own, issue.lease(LEASE, OTHER, FAR, JUNE_2025)])
    for place, bad in flipped(data):
        found = find_leases(bad, LAPTOP.serial)
        if found and scan_leases(found, LAPTOP, ROOT, JUNE_2025).is_valid:
            assert found.startswith(own.line.encode()[:-1]), place
