"""Which leases the initramfs takes: OLPC's own vectors, and each rule broken once."""

from __future__ import annotations

import calendar

import pytest
from olpc_security import issue
from olpc_security.times import written

from tests.unit.olpc_security.vectors import JUNE_2025, LAPTOP, OTHER, private, public, vector
from tests.unit.xo_boot.conftest import Laptop

SEARCH = 'NOW=$1; WHY=none; read_identity; read_trusted; find_lease "$2" && echo "$LEASE" || echo "no: $WHY"'
V1 = vector("lease/lease-v1.sig").decode().rstrip("\n")
DELEGATED = vector("lease/lease-delegated.sig").decode().rstrip("\n")
ZEROS = "0" * 512


@pytest.fixture
def locked(laptop: Laptop) -> Laptop:
    """The vectors' laptop, which trusts their lease key."""
    laptop.tag("SN", LAPTOP.serial.encode() + b"\0")
    laptop.tag("U#", LAPTOP.uuid.encode() + b"\0")
    laptop.tag("a1", vector("keys/lease.public"))
    return laptop


def search(laptop: Laptop, content: bytes | str, now: int = JUNE_2025) -> str:
    data = content if isinstance(content, bytes) else content.encode()
    return laptop.says(SEARCH, now, laptop.write("found", data))


@pytest.mark.parametrize("name", ["lease-v1.sig", "lease-delegated.sig"])
def test_leases_of_olpcs_tools_are_taken(locked: Laptop, name: str) -> None:
    assert search(locked, vector(f"lease/{name}")) == vector(f"lease/{name}").decode().rstrip("\n")


def test_ours_is_found_in_the_wrapper_of_many(locked: Laptop) -> None:
    found = search(locked, vector("derived/leases.cjson"))
    assert found.startswith(f"act01: {LAPTOP.serial} K ")
    assert len(found) == 629


def test_ours_is_found_behind_others_and_behind_a_bad_one(locked: Laptop) -> None:
    others = vector("lease/lease-v1-b.sig").decode()
    bad = V1[:-512] + ZEROS
    assert search(locked, f"# leases of the school\n{others}{bad}\r\n{V1}\r\n") == V1


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "none"),
        (vector("lease/lease-v1-b.sig").decode(), "none"),
        (vector("lease/develop.sig").decode(), "none"),
        (vector("lease/lease-v1-expired.sig").decode(), "expired"),
        (V1[:-512] + ZEROS, "signature"),
        (V1[:-1], "signature"),
        (V1 + " more", "signature"),
        (V1.upper().replace("ACT01", "act01").replace("SIG01", "sig01").replace("SHA256", "sha256"), "signature"),
        (V1.replace("sha256", "rmd160"), "signature"),
        (V1.replace("sig01:", "sig03:"), "signature"),
        (V1.replace(" K ", " A "), "signature"),
        (V1.replace(" K ", " KK "), "form"),
        (V1.replace(" K ", "  K "), "form"),
        (V1.replace(" K ", "\tK "), "none"),
        (V1.replace("20351231T235959Z", "20361231T235959Z"), "signature"),
        (V1.replace("20351231T235959Z", "20351331T235959Z"), "time"),
        (V1.replace("20351231T235959Z", "20351231 235959Z"), "time"),
        (V1.replace("20351231T235959Z", "00000000T000000Z"), "signature"),
        (" ".join(DELEGATED.split()[:-4]), "signature"),
        (DELEGATED + " sha256", "signature"),
        (V1 + "0" * 8000, "form"),
    ],
)
def test_what_is_refused_and_why(locked: Laptop, content: str, why: str) -> None:
    assert search(locked, content + "\n") == f"no: {why}"


@pytest.mark.parametrize(
    ("now", "why"),
    [
        ("20060601T000000Z", "clock"),
        ("20351231T235959Z", ""),
        ("20360101T000000Z", "expired"),
    ],
)
def test_the_clock_decides(locked: Laptop, now: str, why: str) -> None:
    fields = now.translate(str.maketrans("", "", "TZ"))
    moment = calendar.timegm((int(fields[:4]), int(fields[4:6]), int(fields[6:8]), *(0, 0, 0)))
    moment += int(fields[8:10]) * 3600 + int(fields[10:12]) * 60 + int(fields[12:])
    assert search(locked, V1, moment) == (f"no: {why}" if why else V1)


def test_without_an_end_it_counts_even_when_the_clock_is_wrong(locked: Laptop) -> None:
    lease = issue.lease(private("lease"), LAPTOP, "00000000T000000Z", JUNE_2025).line.rstrip("\n")
    assert search(locked, lease, 0) == lease


def test_more_than_68_years_ahead_is_expired(locked: Laptop) -> None:
    near, far = (
        issue.lease(private("lease"), LAPTOP, written(JUNE_2025 + 2**31 - more), JUNE_2025) for more in (1, 2)
    )
    assert search(locked, near.line) == near.line.rstrip("\n")
    assert search(locked, far.line, JUNE_2025 - 2) == "no: expired"


def test_only_the_laptops_own_keys_count(laptop: Laptop) -> None:
    laptop.tag("SN", LAPTOP.serial.encode())
    laptop.tag("U#", LAPTOP.uuid.encode())
    laptop.tag("o1", vector("keys/lease.public"))
    laptop.tag("a1", vector("keys/server.public"))
    assert search(laptop, V1) == "no: signature"
    # The server's key alone is trusted here: that it was delegated to does not make its delegator trusted.
    assert search(laptop, DELEGATED) == "no: signature"
    laptop.tag("a9", vector("keys/lease.public"))
    assert search(laptop, V1) == V1


def test_the_images_key_counts_until_the_laptop_has_one_in_its_place(laptop: Laptop) -> None:
    laptop.tag("SN", LAPTOP.serial.encode())
    laptop.tag("U#", LAPTOP.uuid.encode())
    laptop.write("etc/sugar-xo-boot/keys/olpc.public", vector("keys/lease.public"))
    assert search(laptop, V1) == V1
    laptop.tag("a0", vector("keys/server.public"))
    assert search(laptop, V1) == "no: signature"


def test_a_lease_for_another_uuid_or_a_delegation_for_another_laptop_does_not_count(laptop: Laptop) -> None:
    laptop.tag("SN", LAPTOP.serial.encode())
    laptop.tag("U#", OTHER.uuid.encode())
    laptop.tag("a1", vector("keys/lease.public"))
    assert search(laptop, V1) == "no: signature"
    server = private("server")
    chain = issue.delegation(private("lease"), public("server"), OTHER, "20351231T235959Z", JUNE_2025).chain
    lent = issue.lease(server, OTHER, "20300101T000000Z", JUNE_2025, chain=chain).line
    assert search(laptop, lent.replace(OTHER.serial, LAPTOP.serial)) == "no: signature"
    laptop.tag("SN", OTHER.serial.encode())
    assert search(laptop, lent) == lent.rstrip("\n")


@pytest.mark.parametrize("reply", ["STOLEN", "STOLEN\n", "STOLEN "])
def test_stolen_is_six_bytes(locked: Laptop, reply: str) -> None:
    script = 'NOW=$1; WHY=none; read_identity; read_trusted; judge_reply; echo "$? $WHY"'
    locked.write("run/reply", reply.encode())
    assert locked.says(script, JUNE_2025) == ("2 stolen" if reply == "STOLEN" else "1 none")
