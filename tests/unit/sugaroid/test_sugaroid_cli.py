"""The program's words: wrong ones get a clear answer, and never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sugaroid import cli
from sugaroid.checks.network import judge_lease, judge_time
from sugaroid.checks.options import Options
from sugaroid.checks.report import Report, Unexpected
from sugaroid.errors import InvalidInput
from sugaroid.probes.dhcp_packet import Message
from sugaroid.probes.ntp import Time

SERVER = b"\xac\x12\x60\x01"
SOUND = {
    1: b"\xff\xff\xff\0",
    3: SERVER,
    6: SERVER,
    15: b"lima",
    42: SERVER,
    51: (10800).to_bytes(4, "big"),
    54: SERVER,
}


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["check", "--server", "x", "--expect", "dchp"], "no service 'dchp'; known are registration"),
        (["check", "--server", "x", "--expect", ""], "nothing to check"),
        (["check", "--server", "x", "--expect", "dns", "--expect-no", "dns"], "dns cannot be expected and not"),
        (["check", "--server", "x", "--expect", "dhcp"], "name it with --interface"),
        (["check", "--server", "x", "--expect", "dhcp", "--interface", "nix0"], "there is no interface nix0"),
        (["check", "--server", "x", "--count", "1"], "from 2 to 100"),
        (["check", "--server", "x", "--outside", "host:http"], "write HOST:PORT"),
        (["crowd", "--server", "x", "--count", "0"], "from 1 to 10000"),
        (["register", "--server", "x", "--profile", "/proc/none"], "the profile /proc/none cannot be written"),
    ],
)
def test_wrong_words(words: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(words) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert why in err
    assert err.startswith("sugaroid: ")
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    "words",
    [[], ["check"], ["check", "--server", "x", "--registration", "maybe"], ["crowd", "--server", "x"], ["fly"]],
)
def test_argparse_says_two_as_well(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert ended.value.code == 2


@pytest.mark.parametrize("words", [["register"], ["online"]])
def test_no_server_there(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    ports = ["--registration-port", "9", "--presence-port", "9"]
    assert cli.main([*words, "--server", "school.lima", "--address", "127.0.0.1", *ports]) == 1
    assert "Connection refused" in capsys.readouterr().err


def test_the_report_of_a_dead_server(capsys: pytest.CaptureFixture[str]) -> None:
    ports = [word for name in ("registration", "presence", "http") for word in (f"--{name}-port", "9")]
    words = ["check", "--server", "school.lima", "--address", "127.0.0.1", *ports]
    assert cli.main([*words, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)

    assert report["identities"] == []
    assert {frozenset(found) for found in report["checks"]} == {
        frozenset({"service", "check", "tried", "seen", "ok", "seconds"})
    }
    assert not any(found["ok"] for found in report["checks"])
    assert {found["service"] for found in report["checks"]} == {"registration", "presence", "http"}

    assert cli.main(words) == 1
    text = capsys.readouterr().out
    assert text.startswith("FAIL registration: 2 laptops register")
    assert text.endswith("0 of 5 checks are as expected.\n")


def test_a_report_of_nothing_is_no_success() -> None:
    assert not Report().ok


def test_a_profile_is_made_once(tmp_path: Path) -> None:
    words = ["register", "--server", "x", "--address", "127.0.0.1", "--registration-port", "9"]
    assert cli.main([*words, "--profile", str(tmp_path / "p"), "--nick", "Ana"]) == 1
    key = (tmp_path / "p/owner.key").read_text()
    assert cli.main([*words, "--profile", str(tmp_path / "p")]) == 1
    assert (tmp_path / "p/owner.key").read_text() == key
    assert "nickname = Ana" in (tmp_path / "p/config").read_text()


def test_a_servers_text_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report()

    async def run() -> str:
        raise Unexpected("\x1b[2Jgone")

    import asyncio

    asyncio.run(report.step("http", "x", "y", run))
    print(cli._shown(report))
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("outside", "address"), [("a.example:443", ("a.example", 443)), ("a.example", ("a.example", 80))]
)
def test_outside(outside: str, address: tuple[str, int]) -> None:
    assert Options("x", outside=outside).outside_address() == address
    with pytest.raises(InvalidInput):
        Options("x", outside=f"{outside}:99999").outside_address()


def _lease(**changes: bytes) -> Message:
    from ipaddress import IPv4Address

    options = {**SOUND, **{int(name[1:]): value for name, value in changes.items()}}
    return Message(1, 5, IPv4Address("172.18.96.10"), options)


def test_a_lease_with_which_a_laptop_finds_everything() -> None:
    judge_lease(_lease(), "172.18.96.1", gateway=True)
    judge_lease(_lease(_3=b""), "172.18.96.1", gateway=False)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"_3": b""}, "router is none"),
        ({"_3": b"\x0a\0\0\x01"}, r"router is 10\.0\.0\.1"),
        ({"_6": b"\x08\x08\x08\x08"}, r"DNS is 8\.8\.8\.8"),
        ({"_42": b""}, "NTP is none"),
        ({"_1": b""}, "no network mask"),
        ({"_15": b""}, "no domain name"),
        ({"_51": (60).to_bytes(4, "big")}, "for 60 s only"),
    ],
)
def test_a_lease_with_which_it_does_not(changes: dict[str, bytes], why: str) -> None:
    with pytest.raises(Unexpected, match=why):
        judge_lease(_lease(**changes), "172.18.96.1", gateway=True)


NOW = 1_795_219_200.0  # 2026-11-21


def test_sound_time() -> None:
    assert judge_time(Time(0, 10, NOW, 0.25, 0.001), NOW) == "stratum 10, +0.250 s from the clock here"
    assert "not set" in judge_time(Time(0, 10, NOW, NOW, 0.001), 0.0)


@pytest.mark.parametrize(
    ("found", "why"),
    [
        (Time(3, 0, NOW, 0.0, 0.0), "does not trust its clock"),
        (Time(0, 16, NOW, 0.0, 0.0), "does not trust its clock"),
        (Time(0, 10, 0.0, -NOW, 0.0), "says 1970-01-01"),
        (Time(0, 10, NOW + 301, 301.0, 0.0), r"\+301\.000 s"),
    ],
)
def test_time_by_which_nobody_sets_a_clock(found: Time, why: str) -> None:
    with pytest.raises(Unexpected, match=why):
        judge_time(found, NOW)
