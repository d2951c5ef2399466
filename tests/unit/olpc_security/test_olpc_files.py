"""Files of many lines, wrappers of leases, canonical JSON, delegations, manufacturing data."""

from __future__ import annotations

import json
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from olpc_security import cjson, cli, issue
from olpc_security.delegations import read_delegations, write_delegations
from olpc_security.explain import Asked, explain, inspect, kind_of
from olpc_security.laptop import Laptop
from olpc_security.lines import is_garbled, write_files
from olpc_security.mfgdata import read_tags
from olpc_security.rules import Refusal, Rule
from olpc_security.scan import scan_leases
from olpc_security.sign import delegate
from olpc_security.wrapper import find_leases, read_wrapper, write_wrapper

from . import model
from .vectors import FOLDER, JUNE_2025, LAPTOP, OTHER, private, public, trusting, vector

PLAIN, FOREIGN = vector("lease/lease-v1.sig").decode(), vector("lease/lease-v1-b.sig").decode()
CHAINED = vector("lease/lease-delegated.sig").decode()


def rule_of(refusal: pytest.ExceptionInfo[Refusal]) -> Rule:
    return refusal.value.rule


@pytest.mark.parametrize(
    ("start", "size", "garbled"),
    [
        (0, 2048, False),
        (0, 2049, True),
        (1023, 1025, False),
        (1023, 1026, True),
        (1024, 2048, False),
        (323, 1725, False),
        (324, 1725, True),
        (10**6, 1024, False),
    ],
)
def test_a_line_in_three_blocks(start: int, size: int, garbled: bool) -> None:
    assert is_garbled(start, size) is garbled


def test_plain_leases_share_a_file() -> None:
    written = write_files([FOREIGN, PLAIN] * 50)
    assert written.files == ((FOREIGN + PLAIN).encode() * 50,)
    assert written.warning == ""
    assert write_files([]).files == ()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([PLAIN, FOREIGN, CHAINED]), min_size=1, max_size=12))
def test_every_line_written_can_be_read(lines: list[str]) -> None:
    written = write_files(lines)
    assert b"".join(written.files).decode() == "".join(lines)
    assert bool(written.warning) == (len(written.files) > 1)
    for file in written.files:
        assert b"?" not in list(model.lines(file))
    assert [line for file in written.files for line in model.lines(file)] == [line[:-1].encode() for line in lines]


def test_delegated_leases_get_files_of_their_own_and_it_is_said() -> None:
    written = write_files([CHAINED, CHAINED])
    assert written.files == (CHAINED.encode(), CHAINED.encode())
    assert "2 files instead of one" in written.warning
    for file in written.files:
        assert scan_leases(file, LAPTOP, trusting("lease"), JUNE_2025).is_valid


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("x" * 2048 + "\n", Rule.BLOCKS),
        ("x" * 8191 + "\n", Rule.LINE_LENGTH),
        ("x", Rule.LINE_ENDS),
        ("x\ny\n", Rule.LINE_ENDS),
    ],
)
def test_what_cannot_be_read_is_not_written(line: str, rule: Rule) -> None:
    with pytest.raises(Refusal) as refusal:
        write_files([line])
    assert rule_of(refusal) is rule


def test_a_wrapper_is_what_the_initramfs_searches() -> None:
    wrapper = vector("derived/leases.cjson")
    broken = wrapper.replace(b'"SHC12345678":"act01', b'"SHC12345678": "act01')
    assert find_leases(broken, LAPTOP.serial) == b"", "the search knows no blanks"
    assert find_leases(wrapper[:-600], LAPTOP.serial).endswith(wrapper[-610:-600]), "a cut file is cut"
    assert find_leases(PLAIN.encode(), LAPTOP.serial) == PLAIN.encode()


def test_several_leases_of_one_laptop() -> None:
    one = issue.lease(private("lease"), LAPTOP, "20260101T000000Z", JUNE_2025)
    two = issue.lease(private("lease"), LAPTOP, "20270101T000000Z", JUNE_2025)
    data = write_wrapper([one, two])
    assert find_leases(data, LAPTOP.serial).decode() == one.line + two.line
    assert read_wrapper(data) == {LAPTOP.serial: (one, two)}
    assert json.loads(data, strict=False) == [1, {LAPTOP.serial: one.line + two.line}]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"[1,{}]", Rule.WRAPPER),
        (b"[2,{}]", Rule.WRAPPER),
        (b"[true,{}]", Rule.WRAPPER),
        (b"{}", Rule.WRAPPER),
        (b'[1,{"SHC12345678":7}]', Rule.WRAPPER),
        (b'[1,{"SHC12345678":"act01: SHC12345678"}]', Rule.WRAPPER),
        (b'[1,{"SHC12345678":"act01: SHC12345678\n"}]', Rule.FIELDS),
        (b'[1,{"SHC12345679":"' + PLAIN.encode() + b'"}]', Rule.WRAPPER),
        (b'[1,{"SHC12345678":"' + vector("lease/develop.sig") + b'"}]', Rule.WRAPPER),
        (json.dumps([1, {LAPTOP.serial: PLAIN}], separators=(",", ":")).encode(), Rule.CANONICAL),
        (vector("derived/leases.cjson") + b"\n", Rule.CANONICAL),
    ],
)
def test_what_is_no_wrapper(data: bytes, rule: Rule) -> None:
    with pytest.raises(Refusal) as refusal:
        read_wrapper(data)
    assert rule_of(refusal) is rule


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec="utf-8"), max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner, max_size=4)
    ),
)


@settings(max_examples=100, deadline=None)
@given(VALUES)
def test_canonical_json_comes_back(value: object) -> None:
    data = cjson.encode(value)
    assert cjson.decode(data) == value
    assert json.loads(data, strict=False) == value


@pytest.mark.parametrize(
    ("value", "data"),
    [
        ('a"b\\c\nd\té', 'a"b\\c\nd\té'.replace("\\", "\\\\").replace('"', '\\"').join('""').encode()),
        ({"b": 1, "a": [None, True, False, -5]}, b'{"a":[null,true,false,-5],"b":1}'),
    ],
)
def test_canonical_json_as_it_is_described(value: object, data: bytes) -> None:
    assert cjson.encode(value) == data


@pytest.mark.parametrize(
    ("data", "column"),
    [
        (b"[1, 2]", 4),
        (b'{"b":1,"a":2}', 3),
        (b'"\\n"', 2),
        (b'"\\u0041"', 2),
        (b"1.0", 0),
        (b'{"a":1,"a":2}', 6),
        (b"-0", 1),
        (b"[1]]", 4),
        (b"[1", 3),
        (b"NaN", 0),
        (b"\xff", 1),
        (b"[" * 100000, 0),
        (b"", 1),
    ],
)
def test_what_is_not_canonical(data: bytes, column: int) -> None:
    with pytest.raises(Refusal) as refusal:
        cjson.decode(data)
    assert (rule_of(refusal), column and refusal.value.column) == (Rule.CANONICAL, column)


def test_delegations_of_a_server() -> None:
    records = [
        issue.delegation(private("lease"), public("server"), laptop, "20300101T000000Z", JUNE_2025)
        for laptop in (LAPTOP, OTHER)
    ]
    data = write_delegations(records)
    assert data.startswith(b"del01: SHC00000002 11111111-2222-3333-4444-555555555555 sig02: sha256 ")
    assert read_delegations(data) == {record.laptop: record for record in records}
    for bad, rule, line in [
        (data + data, Rule.SERIAL, 3),
        (data + b"\n", Rule.ONE_SPACE, 3),
        (data + PLAIN.encode(), Rule.FIRST_WORD, 3),
        (data.replace(b"sig02", b"sig01"), Rule.FIELDS, 1),
        (data.replace(b"11111111-", b"1111111-"), Rule.UUID, 1),
    ]:
        with pytest.raises(Refusal) as refusal:
            read_delegations(bad)
        assert (rule_of(refusal), refusal.value.line) == (rule, line)


def mfg_block(tags: dict[str, bytes], size: int = 4096) -> bytes:
    """Manufacturing data as the format's table has it, from the top."""
    block = b""
    for name, value in tags.items():
        if len(value) < 128:
            end = struct.pack("BB", 0xFF - len(value), len(value))
        else:
            low, high = len(value) & 0x7F, len(value) >> 7
            end = struct.pack("BBB", high, low, low ^ high ^ 0xFF)
        block = value + end + name.encode() + block
    return b"\xff" * (size - len(block)) + block


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text("abcXYZ019#", min_size=2, max_size=2), st.binary(max_size=300), max_size=8))
def test_manufacturing_data(tags: dict[str, bytes]) -> None:
    assert read_tags(mfg_block(tags)) == tags
    assert list(read_tags(mfg_block(tags))) == list(tags)


def test_manufacturing_data_end_where_a_record_is_damaged() -> None:
    block = bytearray(mfg_block({"SN": b"SHC12345678\0", "a1": public("lease").der, "zz": b""}))
    assert list(read_tags(bytes(block))) == ["SN", "a1", "zz"]
    place = block.rindex(b"a1") - 1
    block[place] ^= 1
    assert list(read_tags(bytes(block))) == ["SN"]
    with pytest.raises(Refusal) as refusal:
        Laptop.from_tags(read_tags(bytes(block)))
    assert rule_of(refusal) is Rule.TAG


def test_the_serial_number_is_read_in_capitals() -> None:
    tags = {"SN": b"shc12345678\0", "U#": LAPTOP.uuid.encode()}
    assert Laptop.from_tags(tags) == LAPTOP


@pytest.mark.parametrize(
    ("name", "kind", "described"),
    [
        ("lease/lease-v1.sig", "lease.sig", "lease for SHC12345678, disposition K, until 2035"),
        ("lease/develop.sig", "develop.sig", "developer key for SHC12345678, disposition A, until 00000000T000000Z"),
        (
            "lease/rtcreset-v1.sig",
            "rtcreset.sig",
            "clock reset for SHC12345678, from 20110510T200549Z, count 0000012345",
        ),
        (
            "lease/deleg-server.sig",
            "signatures",
            "chain 3fcc21712f73f44786358c3f22c066f6bed73d2c9ee01273ef96d5",
        ),
        ("derived/leases.cjson", "lease wrapper", "lease for SHC00000002, disposition K"),
        (
            "keys/fw.key01",
            "public key",
            "public key a3f6ee52a0d45104036242d6c4a80a3dda4d35187f19052a14af89",
        ),
        (
            "keys/fw.public",
            "public key",
            "public key a3f6ee52a0d45104036242d6c4a80a3dda4d35187f19052a14af89",
        ),
        (
            "keys/fw.private",
            "other",
            "private key of a3f6ee52a0d45104036242d6c4a80a3dda4d35187f19052a14af89",
        ),
    ],
)
def test_what_is_in_a_file(name: str, kind: str, described: str) -> None:
    assert kind_of(vector(name)) == kind
    assert inspect(vector(name))[0].startswith(described)


def test_inspecting_names_the_place_of_what_is_wrong() -> None:
    with pytest.raises(Refusal) as refusal:
        inspect((FOREIGN + PLAIN.replace("SHC12345678", "shc12345678")).encode())
    assert (rule_of(refusal), refusal.value.line, refusal.value.column) == (Rule.SERIAL, 2, 8)


def test_a_wrapper_is_explained_as_the_initramfs_takes_it() -> None:
    asked = Asked(LAPTOP, {"a": trusting("lease")}, JUNE_2025)
    assert explain(vector("derived/leases.cjson"), asked).is_valid
    # The firmware itself, looking for lines, takes it for junk.
    assert explain(vector("derived/leases.cjson"), asked, "lease.sig").rule is Rule.FIRST_WORD
    stranger = Asked(Laptop("SHC00000003", LAPTOP.uuid), {"a": trusting("lease")}, JUNE_2025)
    assert explain(vector("derived/leases.cjson"), stranger).rule is Rule.RECORD


def test_the_program(capsys: pytest.CaptureFixture[str]) -> None:
    lease, key = str(FOLDER / "lease/lease-v1.sig"), f"a={FOLDER}/keys/lease.public"
    options = ["--serial", LAPTOP.serial, "--uuid", LAPTOP.uuid, "--key", key]
    assert cli.main(["verify", lease, *options, "--now", "20250601T000000Z"]) == 0
    assert capsys.readouterr().out == f"{lease}: valid: line 1\n"
    assert cli.main(["verify", lease, *options, "--now", "20360101T000000Z"]) == 1
    assert "line 1, column 22: it expired at 20351231T235959Z" in capsys.readouterr().out
    mfg = f"{FOLDER}/derived/mfg-data-top2k.bin"
    assert cli.main(["verify", lease, "--mfg-data", mfg, "--key", key, "--now", "20250601T000000Z"]) == 0
    reset = f"{FOLDER}/lease/rtcreset-v1.sig"
    assert cli.main(["verify", reset, *options, "--rtc", "20110510T200549Z", "0000012345"]) == 0
    assert cli.main(["verify", lease, "--serial", "x"]) == 2
    assert cli.main(["verify", f"{lease}.gone", *options]) == 2
    assert cli.main(["inspect", lease]) == 0
    assert cli.main(["inspect", f"{FOLDER}/README.md"]) == 1


def test_a_chain_that_is_too_long_for_any_file_is_still_made() -> None:
    chain = delegate(private("lease"), public("os"), LAPTOP.serial, "20300101T000000Z")
    chain = delegate(private("os"), public("server"), LAPTOP.serial, "20290101T000000Z", chain)
    lease = issue.lease(private("server"), LAPTOP, "20280101T000000Z", JUNE_2025, chain)
    assert len(lease.line) > 2048
    with pytest.raises(Refusal) as refusal:
        write_files([lease.line])
    assert rule_of(refusal) is Rule.BLOCKS
    # A wrapper may hold it: the initramfs reads that whole.
    assert find_leases(write_wrapper([lease]), LAPTOP.serial).decode() == lease.line
