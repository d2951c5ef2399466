"""Whatever is issued is taken, read and written the same; no changed bit ever is; and the model always agrees."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from olpc_security import issue, records
from olpc_security.bundles import require_firmware, require_image, sign_firmware, sign_image
from olpc_security.keys import PublicKey
from olpc_security.laptop import Laptop
from olpc_security.oats import read_response, sign_response
from olpc_security.rules import Refusal
from olpc_security.scan import Clock, scan_developer_keys, scan_leases, scan_rtc_resets
from olpc_security.sign import delegate
from olpc_security.signatures import Sig02
from olpc_security.times import NEVER, seconds_of, written
from olpc_security.trust import TrustedKeys

from . import model
from .vectors import JUNE_2025, LAPTOP, NAMES, OTHER, private, public, trusting, vector

KEYS = {name: private(name) for name in NAMES}
ROOT = trusting("lease")
FORM = "%Y%m%dT%H%M%SZ"
CLOCK = Clock("20110510T200549Z", "0000012345")
SERIALS = st.text("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789", min_size=11, max_size=11)
UUIDS = st.uuids().map(lambda uuid: str(uuid).upper())
LAPTOPS = st.builds(Laptop, SERIALS, UUIDS)
TIMES = st.integers(JUNE_2025, JUNE_2025 + 2**31 - 1).map(written) | st.just(NEVER)


def flipped(data: bytes) -> Iterator[tuple[int, bytes]]:
    """DATA with each of its bits changed, one at a time."""
    for place in range(8 * len(data)):
        changed = bytearray(data)
        changed[place // 8] ^= 1 << place % 8
        yield place, bytes(changed)


def refused(check: Callable[[], object]) -> bool:
    try:
        check()
    except Refusal:
        return True
    return False


@settings(max_examples=60, deadline=None)
@given(LAPTOPS, TIMES, st.lists(st.sampled_from(NAMES), max_size=3))
def test_what_is_issued_is_read_and_taken(laptop: Laptop, expires: str, servers: list[str]) -> None:
    chain: Sig02 | None = None
    signer = "lease"
    for server in servers:
        chain = delegate(KEYS[signer], KEYS[server].public, laptop.serial, expires, chain)
        signer = server
    lease = issue.lease(KEYS[signer], laptop, expires, JUNE_2025, chain)
    assert records.parse(lease.line) == lease
    assert records.parse(lease.line).line == lease.line
    data = lease.line.encode()
    taken = scan_leases(data, laptop, ROOT, JUNE_2025).is_valid
    # From two delegations on a line touches three blocks wherever it stands.
    assert taken == (len(servers) < 2)
    names = laptop.serial.encode(), laptop.uuid.encode()
    assert taken == (model.scan(data, b"act01:", *names, [public("lease").der], JUNE_2025) == model.VALID)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_the_model_takes_whatever_we_take(data: st.DataObject) -> None:
    """Lines put together from good parts and bad ones; the model has other code and other cryptography."""
    pieces = st.sampled_from(
        [
            vector("lease/lease-v1.sig"),
            vector("lease/lease-v1-b.sig"),
            vector("lease/lease-v1-expired.sig"),
            vector("lease/lease-delegated.sig"),
            vector("lease/lease-v1.sig").replace(b"K", b"A"),
            vector("lease/lease-v1.sig").replace(b"SHC12345678", b"SHC12345679"),
            b"act01: SHC00000003 K\n",
            b"dev01: SHC12345678\n",
        ]
    )
    file = b"".join(data.draw(st.lists(pieces, max_size=5)))
    if data.draw(st.booleans()):
        file = file.replace(b"\n", b"\r\n")
    if file and data.draw(st.booleans()):
        place = data.draw(st.integers(0, len(file) - 1))
        file = file[:place] + data.draw(st.binary(max_size=2)) + file[place + data.draw(st.integers(0, 2)) :]
    ours = scan_leases(file, LAPTOP, ROOT, JUNE_2025)
    names = LAPTOP.serial.encode(), LAPTOP.uuid.encode()
    theirs = model.scan(file, b"act01:", *names, [public("lease").der], JUNE_2025)
    assert not ours.is_valid or theirs == model.VALID
    if theirs == model.VALID and not ours.is_valid:
        # Where we are stricter: capitals in hexadecimal, mixed ends of lines.
        assert ours.refusal is not None
        assert ours.refusal.rule.slug in {"hex", "line-ends"}


@settings(max_examples=300, deadline=None)
@given(st.text("0123456789TZ", min_size=14, max_size=17) | st.datetimes().map(lambda when: when.strftime(FORM)))
def test_times_are_counted_as_the_model_counts(text: str) -> None:
    from olpc_security.times import require_not_expired

    for now in (0, JUNE_2025, 2**32 - 1):
        assert refused(lambda at=now: require_not_expired(text, at)) == model.expired(text.encode(), now)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 253402300799))
def test_a_time_is_read_as_it_was_written(seconds: int) -> None:
    assert seconds_of(written(seconds)) == seconds


@pytest.mark.parametrize("name", ["lease-v1", "lease-delegated"])
def test_no_changed_bit_of_a_lease_passes(name: str) -> None:
    data = vector(f"lease/{name}.sig")
    # The end of the line may be missing, but nothing else may stand there.
    passed = [place for place, bad in flipped(data) if scan_leases(bad, LAPTOP, ROOT, JUNE_2025).is_valid]
    assert passed == []


def test_no_changed_bit_of_a_developer_key_or_clock_reset_passes() -> None:
    for place, bad in flipped(vector("lease/develop.sig")):
        assert not scan_developer_keys(bad, LAPTOP, trusting("developer"), JUNE_2025).is_valid, place
    for place, bad in flipped(vector("lease/rtcreset-v1.sig")):
        assert not scan_rtc_resets(bad, LAPTOP, ROOT, JUNE_2025, CLOCK).is_valid, place


def test_no_changed_bit_of_the_laptop_or_its_key_passes() -> None:
    data = vector("lease/lease-v1.sig")
    for place, bad in flipped(f"{LAPTOP.serial} {LAPTOP.uuid}".encode()):
        text = bad.decode("latin-1")
        assert (
            refused(lambda text=text: Laptop(text[:11], text[12:]))
            or place // 8 == 11
            or not scan_leases(data, Laptop(text[:11], text[12:]), ROOT, JUNE_2025).is_valid
        ), place
    for place, bad in flipped(public("lease").der):
        assert refused(lambda bad=bad: PublicKey(bad)) or refused(
            lambda bad=bad: _require(scan_leases(data, LAPTOP, TrustedKeys((PublicKey(bad),)), JUNE_2025).is_valid)
        ), place


def _require(is_valid: bool) -> None:
    from olpc_security.rules import Rule

    if not is_valid:
        raise Refusal(Rule.SIGNATURE, "")


def test_no_changed_bit_of_an_answer_passes() -> None:
    members = {"nonce": "7", "time": "20250601T000000Z", "lease": vector("lease/lease-v1.sig").decode()}
    chain = delegate(KEYS["lease"], public("server"), LAPTOP.serial, "20300101T000000Z")
    for body in (
        sign_response(KEYS["lease"], members),
        sign_response(KEYS["server"], members, LAPTOP.serial, "20260101T000000Z", chain),
    ):
        assert read_response(body, "7", ROOT, LAPTOP.serial, JUNE_2025) == members
        for place, bad in flipped(body):
            assert refused(lambda bad=bad: read_response(bad, "7", ROOT, LAPTOP.serial, JUNE_2025)), place


def test_no_changed_bit_of_a_bundle_passes() -> None:
    image = b"an image"
    data_sig = sign_image(image, [KEYS["os"]])
    require_image(image, data_sig, trusting("os"), JUNE_2025)
    for place, bad in flipped(data_sig[:-1]):
        assert refused(lambda bad=bad: require_image(image, bad, trusting("os"), JUNE_2025)), place
    data_sig = sign_firmware(image, [KEYS["fw"]])
    require_firmware(image, data_sig, trusting("fw"), JUNE_2025)
    for place, bad in flipped(data_sig[:-1]):
        assert refused(lambda bad=bad: require_firmware(image, bad, trusting("fw"), JUNE_2025)), place
    for place, bad in flipped(image):
        assert refused(lambda bad=bad: require_firmware(bad, data_sig, trusting("fw"), JUNE_2025)), place


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=3000))
def test_rubbish_is_refused_and_nothing_else_happens(data: bytes) -> None:
    from olpc_security.explain import Asked, explain, inspect
    from olpc_security.mfgdata import read_tags

    asked = Asked(OTHER, {"a": ROOT, "d": ROOT}, JUNE_2025, CLOCK)
    for start in (b"", b"act01: ", b"del01: ", b"sig02: ", b"key01: ", b'[1,{"', b"\x30\x82"):
        assert not explain(start + data, asked).is_valid
        assert refused(lambda start=start: inspect(start + data))
    read_tags(data)
