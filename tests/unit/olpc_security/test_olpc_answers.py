"""Answers of the theft-deterrence protocol, bundles' signatures, and leases in great number."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator

import pytest
from olpc_security import bundles
from olpc_security.batch import Wish, issue_leases
from olpc_security.laptop import Laptop
from olpc_security.oats import read_response, sign_response, stolen_mark
from olpc_security.rules import Refusal, Rule
from olpc_security.scan import scan_leases
from olpc_security.sign import delegate, sign01, sign02

from . import model
from .vectors import JUNE_2025, LAPTOP, OTHER, private, public, trusting

MEMBERS = {"nonce": "12345", "time": "20250601T000000Z"}


def test_an_answer_is_signed_over_its_exact_bytes() -> None:
    body = sign_response(private("lease"), MEMBERS | {"lease": 'act01: "quoted"\n'})
    inner = b'["oatc-resp",1,{"lease":"act01: \\"quoted\\"\n","nonce":"12345","time":"20250601T000000Z"}]'
    head = b'["oatc-signed-resp",1,[' + inner + b',["sig",1,["sig01: sha256 '
    assert body.startswith(head)
    assert body.endswith(b'\n"]]]]')
    keyid, signature = body[len(head) : -len(b'\n"]]]]')].split(b" ")
    assert keyid.decode() == public("lease").keyid.hex()
    assert model.verified(public("lease").der, inner, bytes.fromhex(signature.decode()))
    assert json.loads(body, strict=False)[2][1][:2] == ["sig", 1]


def test_what_a_client_takes() -> None:
    body = sign_response(private("lease"), MEMBERS)
    for nonce in ("12345", "0012345"):
        assert read_response(body, nonce, trusting("lease"), LAPTOP.serial, 0) == MEMBERS
    for nonce, keys, rule in [
        ("12346", "lease", Rule.NONCE),
        ("x", "lease", Rule.NONCE),
        ("12345", "os", Rule.TRUSTED_KEY),
    ]:
        with pytest.raises(Refusal) as refusal:
            read_response(body, nonce, trusting(keys), LAPTOP.serial, 0)
        assert refusal.value.rule is rule


def test_a_server_answers_by_its_delegation_to_its_own_laptops_only() -> None:
    chain = delegate(private("lease"), public("server"), LAPTOP.serial, "20260101T000000Z")
    body = sign_response(private("server"), MEMBERS, LAPTOP.serial, "20250801T000000Z", chain)
    assert read_response(body, "12345", trusting("lease"), LAPTOP.serial, JUNE_2025) == MEMBERS
    for serial, now, rule in [(OTHER.serial, JUNE_2025, Rule.DELEGATION), (LAPTOP.serial, 1754006401, Rule.EXPIRED)]:
        with pytest.raises(Refusal) as refusal:
            read_response(body, "12345", trusting("lease"), serial, now)
        assert refusal.value.rule is rule
    with pytest.raises(Refusal) as refusal:
        sign_response(private("server"), MEMBERS, LAPTOP.serial, "20260101T000001Z", chain)
    assert refusal.value.rule is Rule.OUTLIVES


def test_a_chain_of_an_answer_starts_with_a_trusted_key() -> None:
    """A key given whole would be taken as it is, were it not the first."""
    text = b'["oatc-resp",1,{"nonce":"12345","time":"20250601T000000Z"}]'
    chain = sign02(private("os"), text, LAPTOP.serial, "20260101T000000Z").text
    whole = chain.replace(public("os").keyid.hex(), public("os").der.hex())
    body = b'["oatc-signed-resp",1,[' + text + b',["sig",1,["' + whole.encode() + b'\n"]]]]'
    assert read_response(body, "12345", trusting("os"), LAPTOP.serial, JUNE_2025) == MEMBERS
    with pytest.raises(Refusal) as refusal:
        read_response(body, "12345", trusting("lease"), LAPTOP.serial, JUNE_2025)
    assert refusal.value.rule is Rule.TRUSTED_KEY


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'["oatc-signed-resp",1,', b'["oatc-signed-resp",2,'),
        (b'["oatc-resp",1,', b'["oatc-resp",2,'),
        (b'["oatc-resp",1,', b'["oatc",1,'),
        (b'["sig",1,', b'["sig",2,'),
        (b',["sig"', b'["sig"'),
        (b'\n"]]]]', b'"]]]]'),
        (b'\n"]]]]', b'\n"]]]'),
    ],
)
def test_what_is_no_envelope(old: bytes, new: bytes) -> None:
    body = sign_response(private("lease"), MEMBERS)
    assert old in body
    with pytest.raises(Refusal) as refusal:
        read_response(body.replace(old, new), "12345", trusting("lease"), LAPTOP.serial, 0)
    assert refusal.value.rule in {Rule.ENVELOPE, Rule.CANONICAL}


def test_all_signatures_of_an_answer_must_be_good() -> None:
    body = sign_response(private("lease"), MEMBERS)
    line = body[body.index(b"sig01") : -len(b'"]]]]')]
    twice = body.replace(line, line + line)
    assert read_response(twice, "12345", trusting("lease"), LAPTOP.serial, 0) == MEMBERS
    unknown = body.replace(line, line + f"{sign01(private('os'), b'x').text}\n".encode())
    none = body.replace(b'"' + line + b'"', b"")
    for bad, rule in [(unknown, Rule.TRUSTED_KEY), (none, Rule.ENVELOPE)]:
        with pytest.raises(Refusal) as refusal:
            read_response(bad, "12345", trusting("lease"), LAPTOP.serial, 0)
        assert refusal.value.rule is rule


@pytest.mark.parametrize(
    "members", [{"nonce": "1"}, {"time": "20250601T000000Z"}, {"nonce": 1, "time": "20250601T000000Z"}]
)
def test_an_answer_has_nonce_and_time(members: dict[str, object]) -> None:
    with pytest.raises(Refusal) as refusal:
        sign_response(private("lease"), members)
    assert refusal.value.rule is Rule.ENVELOPE


def test_the_mark_of_a_stolen_laptop() -> None:
    assert stolen_mark("U", "7", True) == hashlib.sha256(b"U:7:STOLEN").hexdigest()
    assert stolen_mark("U", "7", False) == hashlib.sha256(b"U:7").hexdigest()


def test_a_bundle_for_several_deployments() -> None:
    data_sig = bundles.sign_image(b"image", [private("fs"), private("os")])
    assert [len(line) for line in data_sig.splitlines(keepends=True)] == [592, 592]
    for key in ("fs", "os"):
        bundles.require_image(b"image", data_sig, trusting(key), 0)
    # The first line with a key that is trusted decides, even if a good one follows.
    lines = data_sig.splitlines(keepends=True)
    wrong = bundles.sign_image(b"another", [private("fs")])
    with pytest.raises(Refusal) as refusal:
        bundles.require_image(b"image", wrong + lines[0], trusting("fs"), 0)
    assert (refusal.value.rule, refusal.value.line) == (Rule.SIGNATURE, 1)
    bundles.require_image(b"image", b"junk\nsig01: sha256 zz\n" + wrong + lines[1], trusting("os"), 0)
    # To the firmware no key at all is the end of any key, so that such a line decides, and fails.
    with pytest.raises(Refusal) as refusal:
        bundles.require_image(b"image", b"sig01: sha256\n" + lines[1], trusting("os"), 0)
    assert (refusal.value.rule, refusal.value.line) == (Rule.FIELDS, 1)
    for bad, rule in [
        (lines[0].replace(b"\n", b"\r\n"), Rule.HEX),
        (lines[0].replace(b"sha256", b"rmd160"), Rule.HASH),
        (b"", Rule.TRUSTED_KEY),
    ]:
        with pytest.raises(Refusal) as refusal:
            bundles.require_image(b"image", bad, trusting("fs"), 0)
        assert refusal.value.rule is rule


def test_firmware_wants_two_hashes_of_one_key() -> None:
    data_sig = bundles.sign_firmware(b"rom", [private("fw")])
    sha, rmd = data_sig.splitlines(keepends=True)
    bundles.require_firmware(b"rom", data_sig, trusting("fw"), 0)
    bundles.require_firmware(b"rom", bundles.sign_image(b"rom", [private("os")]) + data_sig, trusting("fw"), 0)
    signature = bytes.fromhex(rmd.split()[3].decode())
    assert model.verified(public("fw").der, b"rom", signature, "ripemd160")
    os_rmd = bundles.sign_firmware(b"rom", [private("os")]).splitlines(keepends=True)[1]
    for bad, rule in [
        (sha, Rule.TRUSTED_KEY),
        (rmd + sha, Rule.HASH),
        (sha + sha, Rule.HASH),
        (sha + os_rmd, Rule.TRUSTED_KEY),
        (sha + bundles.sign_firmware(b"r0m", [private("fw")]).splitlines(keepends=True)[1], Rule.SIGNATURE),
    ]:
        with pytest.raises(Refusal) as refusal:
            bundles.require_firmware(b"rom", bad, trusting("fw", "os"), 0)
        assert refusal.value.rule is rule


@pytest.mark.parametrize("workers", [1, 2])
def test_many_leases_come_in_order_and_good(workers: int) -> None:
    laptops = [Laptop(f"SHC{number:08d}", LAPTOP.uuid) for number in range(300)]
    wishes = (Wish(laptop, "20260101T000000Z") for laptop in laptops)
    leases = list(issue_leases(private("lease"), wishes, JUNE_2025, workers))
    assert [lease.serial for lease in leases] == [laptop.serial for laptop in laptops]
    file = "".join(lease.line for lease in leases).encode()
    for laptop in (laptops[0], laptops[177], laptops[299]):
        assert scan_leases(file, laptop, trusting("lease"), JUNE_2025).is_valid


def test_many_leases_are_asked_for_only_as_they_are_needed() -> None:
    asked: list[int] = []

    def wishes() -> Iterator[Wish]:
        for number in range(100000):
            asked.append(number)
            yield Wish(Laptop(f"SHC{number:08d}", LAPTOP.uuid), "20260101T000000Z")

    leases = issue_leases(private("lease"), wishes(), JUNE_2025, 2)
    assert next(leases).serial == "SHC00000000"
    leases.close()
    assert len(asked) < 3000


def test_a_wish_that_must_not_be_is_refused_by_name() -> None:
    chain = delegate(private("lease"), public("server"), LAPTOP.serial, "20260101T000000Z")
    wishes = [Wish(LAPTOP, "20251231T000000Z", chain), Wish(LAPTOP, "20260102T000000Z", chain)]
    leases = issue_leases(private("server"), wishes, JUNE_2025, 2)
    with pytest.raises(Refusal) as refusal:
        list(leases)
    assert refusal.value.rule is Rule.OUTLIVES
