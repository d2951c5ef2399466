"""Each rule by which a laptop refuses, broken once and told by its name, and where the search goes on or ends."""

from __future__ import annotations

import pytest
from olpc_security import issue
from olpc_security.keys import PublicKey
from olpc_security.laptop import Laptop
from olpc_security.rules import Refusal, Rule
from olpc_security.scan import Clock, Verdict, scan_leases, scan_rtc_resets
from olpc_security.sign import delegate, sign01, sign02
from olpc_security.signatures import Sig02
from olpc_security.times import HORIZON_SECONDS, NEVER, written
from olpc_security.trust import TrustedKeys, trusted_keys

from . import model
from .vectors import JUNE_2025, LAPTOP, OTHER, private, public, trusting, vector

GOOD = vector("lease/lease-v1.sig").decode()
CHAINED = vector("lease/lease-delegated.sig").decode()
FOREIGN = vector("lease/lease-v1-b.sig").decode()
KEYID, SERVER = public("lease").keyid.hex(), public("server").der.hex()


def judged(text: str, now: int = JUNE_2025, laptop: Laptop = LAPTOP, keys: TrustedKeys | None = None) -> Verdict:
    """The verdict, with which the model agrees."""
    keys = trusting("lease") if keys is None else keys
    data = text.encode("latin-1")
    verdict = scan_leases(data, laptop, keys, now)
    names = laptop.serial.encode(), laptop.uuid.encode()
    taken = model.scan(data, b"act01:", *names, [key.der for key in keys.keys], now) == model.VALID
    # What the firmware does with mixed ends of lines nobody has tried.
    assert verdict.is_valid == taken or verdict.rule is Rule.LINE_ENDS
    return verdict


def lease_until(expires: str, key: str = "lease") -> str:
    """A lease whatever its expiry, properly signed."""
    text = f"{LAPTOP.serial}:{LAPTOP.uuid}:K:{expires}".encode()
    return f"act01: {LAPTOP.serial} K {expires} {sign01(private(key), text).text}\n"


BROKEN = {
    "no first word": ("SHC12345678 K" + GOOD[20:], Rule.FIRST_WORD, 1, 1),
    "a developer key's first word": ("dev01:" + GOOD[6:], Rule.FIRST_WORD, 1, 1),
    "a capital in the first word": ("Act01:" + GOOD[6:], Rule.FIRST_WORD, 1, 1),
    "a comment before it": (f"# leases\n{GOOD}", Rule.FIRST_WORD, 1, 1),
    "a blank line before it": (f"\n{GOOD}", Rule.FIRST_WORD, 1, 1),
    "a blank before it": (f" {GOOD}", Rule.FIRST_WORD, 1, 1),
    "JSON": (f'[1,{{"SHC12345678":"{GOOD}"}}]', Rule.FIRST_WORD, 1, 1),
    "a foreign line between": (f"{FOREIGN}key01: 00\n{GOOD}", Rule.FIRST_WORD, 2, 1),
    "two spaces before the serial number": (GOOD.replace(" S", "  S", 1), Rule.ONE_SPACE, 1, 8),
    "two spaces before the disposition": (GOOD.replace(" K", "  K"), Rule.ONE_SPACE, 1, 20),
    "two spaces before the signature": (GOOD.replace(" sig", "  sig"), Rule.ONE_SPACE, 1, 39),
    "two spaces before the key": (GOOD.replace("256 ", "256  "), Rule.ONE_SPACE, 1, 53),
    "a tab": (GOOD.replace(" K ", "\tK "), Rule.SERIAL, 1, 8),
    "a space at the end": (GOOD[:-1] + " \n", Rule.ONE_SPACE, 1, 631),
    "a serial number in small letters": (GOOD.replace("SHC", "shc"), Rule.SERIAL, 1, 8),
    "no disposition": (GOOD.replace(" K ", " "), Rule.DISPOSITION, 1, 20),
    "a long disposition": (GOOD.replace(" K ", " KK "), Rule.DISPOSITION, 1, 20),
    "another disposition": (GOOD.replace(" K ", " A "), Rule.SIGNATURE, 1, 118),
    "another expiry": (GOOD.replace("20351231", "20351230"), Rule.SIGNATURE, 1, 118),
    "an expiry with a blank": (GOOD.replace("T2359", " 2359"), Rule.TIME, 1, 22),
    "month 13": (GOOD.replace("20351231", "20351331"), Rule.TIME, 1, 22),
    "day 32": (GOOD.replace("20351231", "20351232"), Rule.TIME, 1, 22),
    "no Z": (GOOD.replace("T235959Z", "T235959+"), Rule.TIME, 1, 22),
    "expired": (lease_until("20250531T235959Z"), Rule.EXPIRED, 1, 22),
    "sig03": (GOOD.replace("sig01", "sig03"), Rule.SIGNATURE_WORD, 1, 39),
    "nothing but the head": (GOOD[:37] + "\n", Rule.FIELDS, 1, 38),
    "no signature behind the key": (GOOD[:116] + "\n", Rule.FIELDS, 1, 117),
    "another hash": (GOOD.replace("sha256", "rmd160"), Rule.HASH, 1, 46),
    "a hash in capitals": (GOOD.replace("sha256", "SHA256"), Rule.HASH, 1, 46),
    "an unknown key": (lease_until("20351231T235959Z", "os"), Rule.TRUSTED_KEY, 1, 53),
    "half a digit in the key": (GOOD.replace(KEYID, KEYID[1:]), Rule.HEX, 1, 53),
    "no digit in the signature": (GOOD[:200] + "g" + GOOD[201:], Rule.HEX, 1, 201),
    "a short signature": (GOOD[:-3] + "\n", Rule.HEX, 1, 118),
    "something behind the signature": (GOOD[:-1] + " x\n", Rule.FIELDS, 1, 631),
    "two signatures": (GOOD[:-1] + GOOD[37:], Rule.FIELDS, 1, 631),
    "sig02 for sig01": (GOOD.replace("sig01", "sig02"), Rule.FIELDS, 1, 630),
    "one CRLF among LF": (f"{FOREIGN}{GOOD[:-1]}\r\n", Rule.LINE_ENDS, 2, 630),
    "a lone CR at the end": (GOOD[:-1] + "\r", Rule.HEX, 1, 118 + 512),
    "the good one behind a bad one": (GOOD.replace(" K ", " A ") + GOOD, Rule.SIGNATURE, 1, 118),
    "the good one behind an expired one": (lease_until("20250531T235959Z") + GOOD, Rule.EXPIRED, 1, 22),
    "an empty file": ("", Rule.RECORD, 0, 0),
    "nothing for this laptop": (FOREIGN, Rule.RECORD, 0, 0),
    "a chain that starts with an unknown key": (
        CHAINED.replace(KEYID, public("os").keyid.hex()),
        Rule.TRUSTED_KEY,
        1,
        53,
    ),
    "a chain to another key": (CHAINED.replace(SERVER, public("os").der.hex()), Rule.DELEGATION, 1, 135),
    "a chain to a keyid": (CHAINED.replace(SERVER, public("server").keyid.hex()), Rule.DELEGATION, 1, 135),
    "a chain of another hash": (CHAINED.replace("sha256 3082", "rmd160 3082"), Rule.HASH, 1, 648),
    "a chain cut behind its delegation": (CHAINED[:646] + "\n", Rule.SIGNATURE, 1, 135),
    "a line in three blocks": (FOREIGN + CHAINED, Rule.BLOCKS, 2, 0),
    "a line of 8192 bytes": (f"act01: {OTHER.serial} {'0' * 8192}\n{GOOD}", Rule.LINE_LENGTH, 1, 0),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_is_named_with_its_place(name: str) -> None:
    text, rule, line, column = BROKEN[name]
    refusal = judged(text).refusal
    assert refusal is not None
    assert (refusal.rule, refusal.line, refusal.column) == (rule, line, column), str(refusal)
    assert rule.slug in str(refusal)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (GOOD, 1),
        (GOOD[:-1], 1),
        (GOOD.replace("\n", "\r\n"), 1),
        (FOREIGN + GOOD, 2),
        ((FOREIGN + GOOD).replace("\n", "\r\n"), 2),
        (FOREIGN + GOOD + "# what comes behind it is not looked at\n", 2),
        (lease_until("20351231T235959Z", "os") + GOOD, 2),
        (GOOD.replace("sig01", "sig03") + GOOD, 2),
        (lease_until(NEVER), 1),
        (lease_until("20250601T000000Z"), 1),
        (lease_until("20260231T000000Z"), 1),
        (CHAINED, 1),
        (f"act01: {OTHER.serial} and whatever else\n{GOOD}", 2),
    ],
)
def test_what_a_laptop_takes(text: str, line: int) -> None:
    verdict = judged(text)
    assert (verdict.is_valid, verdict.line) == (True, line), str(verdict)


def test_68_years() -> None:
    last, first = written(JUNE_2025 + HORIZON_SECONDS - 1), written(JUNE_2025 + HORIZON_SECONDS)
    assert (last, first) == ("20930619T031407Z", "20930619T031408Z")  # date -u -d @...
    assert judged(lease_until(last)).is_valid
    assert judged(lease_until(first)).rule is Rule.TOO_FAR
    assert judged(lease_until("99991231T235959Z")).rule is Rule.TOO_FAR


def test_a_clock_that_fell_back() -> None:
    before = model.START_2007 - 1
    assert judged(GOOD, before).rule is Rule.CLOCK
    assert judged(GOOD, before + 1).is_valid
    assert judged(lease_until(NEVER), 0).is_valid


def test_a_key_given_whole() -> None:
    assert judged(GOOD.replace(KEYID, public("lease").der.hex())).is_valid


def test_a_chain_may_not_trust_itself() -> None:
    chain = sign02(private("os"), b"x", LAPTOP.serial, "20351231T235959Z").text
    whole = chain.replace(public("os").keyid.hex(), public("os").der.hex())
    text = f"act01: {LAPTOP.serial} K 20351231T235959Z {whole}\n"
    assert judged(text).rule is Rule.TRUSTED_KEY


def test_an_expired_delegation_ends_what_rests_on_it() -> None:
    chain = delegate(private("lease"), public("server"), LAPTOP.serial, "20250101T000000Z")
    groups = sign02(
        private("server"),
        f"{LAPTOP.serial}:{LAPTOP.uuid}:K:20260101T000000Z".encode(),
        LAPTOP.serial,
        "20260101T000000Z",
    ).groups
    last = groups[0].text.replace(public("server").keyid.hex(), SERVER)
    verdict = judged(f"act01: {LAPTOP.serial} K 20260101T000000Z {chain.text} {last}\n")
    assert verdict.rule is Rule.EXPIRED
    assert verdict.refusal is not None
    assert verdict.refusal.column == 118


def test_a_delegation_for_another_laptop() -> None:
    chain = delegate(private("lease"), public("server"), OTHER.serial, "20351231T235959Z")
    verdict = judged(issue.lease(private("server"), LAPTOP, "20340101T000000Z", JUNE_2025, chain).line)
    assert verdict.rule is Rule.DELEGATION


def test_a_delegated_key_of_another_kind() -> None:
    chain = delegate(private("lease"), public("server"), LAPTOP.serial, "20351231T235959Z")
    bad = SERVER[:-2] + "03"
    text = f"act01: {LAPTOP.serial} K 20340101T000000Z {chain.text} sha256 {bad} 20340101T000000Z {'0' * 512}\n"
    assert judged(text).rule is Rule.DELEGATION
    # Properly delegated to, it still is no key.
    signed = private("lease").sign(f"{LAPTOP.serial}:{NEVER}:key01: {bad}\n".encode()).hex()
    text = (
        f"act01: {LAPTOP.serial} K {NEVER} sig02: sha256 {KEYID} {NEVER} {signed} sha256 {bad} {NEVER} {'0' * 512}\n"
    )
    assert judged(text).rule is Rule.KEY


def test_101_groups() -> None:
    signature = private("lease").sign(f"{LAPTOP.serial}:{NEVER}:key01: {KEYID}\n".encode()).hex()
    group = f"sha256 {KEYID} {NEVER} {signature}"
    text = f"act01: {LAPTOP.serial} K {NEVER} sig02: {' '.join([group] * 101)}\n"
    assert judged(text).rule is Rule.LINE_LENGTH, "no such line reaches a laptop"
    from olpc_security.fields import Fields
    from olpc_security.verify import Check, require_signature

    for count, rule in ((100, Rule.SIGNATURE), (101, Rule.CHAIN_LENGTH)):
        with pytest.raises(Refusal) as refusal:
            fields = Fields(f"sig02: {' '.join([group] * count)}")
            require_signature(fields, b"x", Check(trusting("lease"), JUNE_2025, LAPTOP.serial))
        assert refusal.value.rule is rule


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        (("rtc01:", "act01:"), Rule.FIRST_WORD),
        (("20110510T200549Z", "20110510T200549"), Rule.TIME),
        ((" 0000012345 ", " 12345 "), Rule.COUNT),
        ((" 0000012345 ", " 000001234x "), Rule.COUNT),
        (("20110410", "20110411"), Rule.SIGNATURE),
        (("20110410T200549Z", NEVER), Rule.TIME),
        (("SHC12345678", "SHC00000002"), Rule.RECORD),
        (("sig01", "sig04"), Rule.SIGNATURE_WORD),
    ],
)
def test_clock_resets(change: tuple[str, str], rule: Rule) -> None:
    data = vector("lease/rtcreset-v1.sig").decode().replace(*change).encode()
    clock = Clock("20110510T200549Z", "0000012345")
    assert scan_rtc_resets(data, LAPTOP, trusting("lease"), JUNE_2025, clock).rule is rule


def test_keys_of_the_manufacturing_data() -> None:
    tags = {
        "a0": vector("keys/os.public"),
        "a3": vector("keys/fw.public"),
        "a5": b"short",
        "a9": vector("keys/fs.public"),
    }
    keys = trusted_keys(tags, "a", public("lease"))
    assert keys.keys == (public("os"), public("fw"), public("fs"))
    assert judged(GOOD, keys=keys).rule is Rule.TRUSTED_KEY
    assert trusted_keys({"a0": b"short"}, "a", public("lease")).keys == (public("lease"),)


@pytest.mark.parametrize(
    "der",
    [
        b"",
        public("os").der[:-1],
        public("os").der + b"\0",
        b"\x31" + public("os").der[1:],
        public("os").der[:-1] + b"\x03",
        public("os").der[:9] + b"\x7f" + public("os").der[10:],
    ],
)
def test_what_is_no_key(der: bytes) -> None:
    with pytest.raises(Refusal) as refusal:
        PublicKey(der)
    assert refusal.value.rule is Rule.KEY


@pytest.mark.parametrize(
    ("serial", "uuid", "rule"),
    [
        ("SHC1234567", LAPTOP.uuid, Rule.SERIAL),
        ("shc12345678", LAPTOP.uuid, Rule.SERIAL),
        ("SHC1234567\n", LAPTOP.uuid, Rule.SERIAL),
        (LAPTOP.serial, LAPTOP.uuid[1:], Rule.UUID),
        (LAPTOP.serial, LAPTOP.uuid[1:] + ":", Rule.UUID),
    ],
)
def test_what_is_no_laptop(serial: str, uuid: str, rule: Rule) -> None:
    with pytest.raises(Refusal) as refusal:
        Laptop(serial, uuid)
    assert refusal.value.rule is rule


def test_issuing_refuses_what_a_laptop_would_refuse() -> None:
    chain = delegate(private("lease"), public("server"), LAPTOP.serial, "20300101T000000Z")
    assert isinstance(chain, Sig02)
    for expires, rule in [
        ("20250531T235959Z", Rule.EXPIRED),
        ("20930619T031408Z", Rule.TOO_FAR),
        ("20300101", Rule.TIME),
        ("20300101T000001Z", Rule.OUTLIVES),
        (NEVER, Rule.OUTLIVES),
    ]:
        with pytest.raises(Refusal) as refusal:
            issue.lease(private("server"), LAPTOP, expires, JUNE_2025, chain)
        assert refusal.value.rule is rule
    with pytest.raises(Refusal) as refusal:
        issue.lease(private("server"), LAPTOP, "20300101T000000Z", 0, chain)
    assert refusal.value.rule is Rule.CLOCK, "nothing is issued by a clock that fell back"
    with pytest.raises(Refusal) as refusal:
        issue.rtc_reset(private("lease"), LAPTOP, current=NEVER, count="1", new="20250101T000000Z")
    assert refusal.value.rule is Rule.COUNT
    with pytest.raises(Refusal) as refusal:
        issue.rtc_reset(private("lease"), LAPTOP, current=NEVER, count="0000000001", new=NEVER)
    assert refusal.value.rule is Rule.TIME
