"""What OLPC's own tools wrote is read, written again to the byte, and judged as the firmware judges it."""

from __future__ import annotations

import io
import zipfile

import pytest
from olpc_security import bundles, records, signatures
from olpc_security.delegations import require_delegation
from olpc_security.fields import Fields
from olpc_security.keys import PrivateKey, PublicKey
from olpc_security.laptop import Laptop
from olpc_security.mfgdata import read_tags
from olpc_security.records import Delegation, Timed
from olpc_security.rules import Refusal, Rule
from olpc_security.scan import Clock, Result, scan_developer_keys, scan_leases, scan_rtc_resets
from olpc_security.signatures import Sig02
from olpc_security.times import seconds_of
from olpc_security.trust import trusted_keys
from olpc_security.verify import Check, require_signature
from olpc_security.wrapper import find_leases, read_wrapper, write_wrapper

from .vectors import JUNE_2025, LAPTOP, NAMES, OTHER, private, public, trusting, vector

ANOTHER_UUID = Laptop(LAPTOP.serial, LAPTOP.uuid[:-1] + "9")
CLOCK = Clock("20110510T200549Z", "0000012345")


@pytest.mark.parametrize(
    ("name", "now", "result", "rule"),
    [
        ("lease-v1.sig", JUNE_2025, Result.VALID, None),
        ("lease-delegated.sig", JUNE_2025, Result.VALID, None),
        ("lease-delegated.sig", seconds_of("20360601T000000Z"), Result.INVALID, Rule.EXPIRED),
        ("lease-v1-expired.sig", JUNE_2025, Result.INVALID, Rule.EXPIRED),
        ("lease-v1-b.sig", JUNE_2025, Result.NO_RECORD, Rule.RECORD),
        ("develop.sig", JUNE_2025, Result.INVALID, Rule.FIRST_WORD),
    ],
)
def test_leases(name: str, now: int, result: Result, rule: Rule | None) -> None:
    verdict = scan_leases(vector(f"lease/{name}"), LAPTOP, trusting("lease"), now)
    assert (verdict.result, verdict.rule) == (result, rule)


@pytest.mark.parametrize("name", ["lease-v1.sig", "lease-delegated.sig", "lease-v1-expired.sig"])
def test_another_uuid(name: str) -> None:
    verdict = scan_leases(vector(f"lease/{name}"), ANOTHER_UUID, trusting("lease"), seconds_of("20190101T000000Z"))
    assert (verdict.result, verdict.rule, verdict.refusal and verdict.refusal.line) == (-1, Rule.SIGNATURE, 1)


def test_the_other_laptop_takes_its_own() -> None:
    assert scan_leases(vector("lease/lease-v1-b.sig"), OTHER, trusting("lease"), JUNE_2025).is_valid


def test_a_developer_key() -> None:
    data = vector("lease/develop.sig")
    assert scan_developer_keys(data, LAPTOP, trusting("developer"), JUNE_2025).is_valid
    # It never expires, so that a laptop whose clock fell back is unlocked all the same.
    assert scan_developer_keys(data, LAPTOP, trusting("developer"), 0).is_valid
    assert scan_developer_keys(data, ANOTHER_UUID, trusting("developer"), JUNE_2025).result is Result.INVALID
    assert scan_developer_keys(data, LAPTOP, trusting("lease"), JUNE_2025).rule is Rule.TRUSTED_KEY


def test_a_clock_reset() -> None:
    data = vector("lease/rtcreset-v1.sig")
    assert scan_rtc_resets(data, LAPTOP, trusting("lease"), 0, CLOCK).is_valid
    other_count = Clock(CLOCK.timestamp, "0000012346")
    assert scan_rtc_resets(data, LAPTOP, trusting("lease"), 0, other_count).rule is Rule.COUNT
    assert scan_rtc_resets(data, ANOTHER_UUID, trusting("lease"), 0, CLOCK).rule is Rule.SIGNATURE


def test_a_delegation_alone() -> None:
    chain = signatures.parse(vector("lease/deleg-server.sig").decode())
    assert isinstance(chain, Sig02)
    record = Delegation(LAPTOP, chain)
    require_delegation(record, public("server"), trusting("lease"), JUNE_2025)
    for server, keys, now, rule in [
        (public("os"), trusting("lease"), JUNE_2025, Rule.SIGNATURE),
        (public("server"), trusting("os"), JUNE_2025, Rule.TRUSTED_KEY),
        (public("server"), trusting("lease"), seconds_of("20360101T000000Z"), Rule.EXPIRED),
    ]:
        with pytest.raises(Refusal) as refusal:
            require_delegation(record, server, keys, now)
        assert refusal.value.rule is rule


def test_the_delegated_lease_is_that_delegation_and_a_group_more() -> None:
    chain = signatures.parse(vector("lease/deleg-server.sig").decode())
    lease = records.parse(vector("lease/lease-delegated.sig").decode())
    assert isinstance(chain, Sig02)
    assert isinstance(lease, Timed)
    assert isinstance(lease.signature, Sig02)
    assert lease.signature.groups[:1] == chain.groups
    assert lease.signature.groups[1].key == public("server").der


@pytest.mark.parametrize(
    "name", ["lease-v1", "lease-v1-b", "lease-v1-expired", "lease-delegated", "develop", "rtcreset-v1"]
)
def test_records_are_written_as_they_were_read(name: str) -> None:
    data = vector(f"lease/{name}.sig")
    assert records.parse(data.decode()).line.encode() == data


@pytest.mark.parametrize("name", ["hello.sha256", "hello.rmd160", "hello.sha256.fullkey"])
def test_signatures_of_a_file(name: str) -> None:
    line = vector(f"sig/{name}.sig01").decode()
    assert signatures.parse(line).text + "\n" == line
    check = Check(trusting("os", "fw"), JUNE_2025, hash_name=name.split(".")[1])
    require_signature(Fields(line[:-1]), vector("sig/hello.txt"), check)
    with pytest.raises(Refusal) as refusal:
        require_signature(Fields(line[:-1]), vector("sig/hello.txt") + b"\n", check)
    assert refusal.value.rule is Rule.SIGNATURE


def test_a_raw_signature() -> None:
    signature = vector("sig/hello.sha256.rawsig")
    assert public("fw").is_valid(signature, vector("sig/hello.txt"))
    assert not public("os").is_valid(signature, vector("sig/hello.txt"))
    assert not public("fw").is_valid(signature, vector("sig/hello.txt"), "rmd160")


@pytest.mark.parametrize("name", NAMES)
def test_key_files(name: str) -> None:
    data = vector(f"keys/{name}.private")
    key = PrivateKey.from_der(data)
    assert key.der == data
    assert key.public.der == vector(f"keys/{name}.public")
    assert len(key.public.der) == 270
    assert key.public.keyid.hex().endswith("0203010001")
    assert key.public.is_valid(key.sign(b"x"), b"x")
    assert data.hex() not in repr(key)


def test_key01() -> None:
    line = vector("keys/fw.key01").decode()
    assert PublicKey.from_key01(line) == public("fw")
    assert public("fw").key01 == line


def test_bundles() -> None:
    for name, key, other in [("fs1.zip", "fs", "os"), ("runos1.zip", "os", "fs")]:
        archive = zipfile.ZipFile(io.BytesIO(vector(f"bundle/{name}")))
        image, signature = archive.read("data.img"), archive.read("data.sig")
        bundles.require_image(image, signature, trusting(key), JUNE_2025)
        with pytest.raises(Refusal) as refusal:
            bundles.require_image(image + b"\n", signature, trusting(key), JUNE_2025)
        assert refusal.value.rule is Rule.SIGNATURE
        with pytest.raises(Refusal) as refusal:
            bundles.require_image(image, signature, trusting(other), JUNE_2025)
        assert refusal.value.rule is Rule.TRUSTED_KEY


def test_the_manufacturing_data() -> None:
    tags = read_tags(vector("derived/mfg-data-top2k.bin"))
    assert list(tags) == ["ww", "SN", "U#", "P#", "o1"]
    assert tags["ww"] == b""
    assert tags["P#"] == b"1CL4XZU0KDA\0"
    assert Laptop.from_tags(tags) == LAPTOP
    assert trusted_keys(tags, "o", public("fs")).keys == (public("fs"), public("os"))
    assert trusted_keys(tags, "a").keys == ()


def test_the_wrapper() -> None:
    data = vector("derived/leases.cjson")
    leases = read_wrapper(data)
    assert {serial: [one.line.encode() for one in ones] for serial, ones in leases.items()} == {
        LAPTOP.serial: [vector("lease/lease-v1.sig")],
        OTHER.serial: [vector("lease/lease-v1-b.sig")],
    }
    assert write_wrapper(lease for ones in leases.values() for lease in ones) == data
    assert find_leases(data, LAPTOP.serial) == vector("lease/lease-v1.sig")
    assert find_leases(data, "SHC00000003") == b""


def test_what_we_sign_differs_from_the_tools_in_the_signature_alone() -> None:
    from olpc_security import issue
    from olpc_security.sign import delegate

    expires = "20351231T235959Z"
    lease = issue.lease(private("lease"), LAPTOP, expires, JUNE_2025)
    assert lease.line[:-513] == vector("lease/lease-v1.sig").decode()[:-513]
    key = issue.developer_key(private("developer"), LAPTOP)
    assert key.line[:-513] == vector("lease/develop.sig").decode()[:-513]
    reset = issue.rtc_reset(
        private("lease"), LAPTOP, current=CLOCK.timestamp, count=CLOCK.count, new="20110410T200549Z"
    )
    assert reset.line[:-513] == vector("lease/rtcreset-v1.sig").decode()[:-513]
    chain = delegate(private("lease"), public("server"), LAPTOP.serial, expires)
    assert chain.text[:-512] == vector("lease/deleg-server.sig").decode()[:-513]
    lease = issue.lease(private("server"), LAPTOP, "20340101T000000Z", JUNE_2025, chain)
    theirs = vector("lease/lease-delegated.sig").decode()
    at = len("act01: SHC12345678 K 20340101T000000Z ") + len(chain.text)
    assert (lease.line[: at - 512], lease.line[at:-513]) == (theirs[: at - 512], theirs[at:-513])
    for record in (lease, key):
        assert len(record.line) == len(theirs if record is lease else vector("lease/develop.sig"))
