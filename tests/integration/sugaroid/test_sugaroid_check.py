"""`sugaroid check` in a school of real daemons, as a laptop on the LAN and from the street."""

from __future__ import annotations

from .prosody import DOMAIN
from .school import SERVER, School

EVERYTHING = "registration,presence,http,dns,dhcp,ntp,gateway"


def _failed(report: dict) -> dict[str, str]:
    return {f"{found['service']}: {found['check']}": found["seen"] for found in report["checks"] if not found["ok"]}


def test_a_laptop_finds_every_service(school: School) -> None:
    school.run("laptop", "ip", "route", "add", "default", "via", SERVER)
    status, report = school.check(
        "laptop", "--address", SERVER, "--expect", EVERYTHING, "--interface", "eth0", "--count", "3"
    )

    assert _failed(report) == {}
    assert status == 0
    assert {found["service"] for found in report["checks"]} == set(EVERYTHING.split(","))
    seen = {f"{found['service']}: {found['check']}": found["seen"] for found in report["checks"]}
    assert (
        "router 172.18.96.1, DNS 172.18.96.1, NTP 172.18.96.1, domain lima.example"
        in seen["dhcp: an address for a laptop"]
    )
    assert "for 10800 s" in seen["dhcp: an address for a laptop"]
    assert seen["dns: school names in lima.example"] == "all 12 names are 172.18.96.1"
    assert seen["ntp: the time"].startswith("stratum 10, ")
    assert f"jabberserver {DOMAIN}" in seen["registration: 3 laptops register"]
    assert seen["presence: all see each other"].startswith("6 views complete")


def test_it_leaves_nothing_but_the_registrations_it_names(school: School) -> None:
    address = school.run("laptop", "ip", "-j", "address").stdout
    _, report = school.check(
        "laptop", "--address", SERVER, "--expect", "registration,presence,dhcp", "--interface", "eth0"
    )

    assert school.run("laptop", "ip", "-j", "address").stdout == address
    assert school.leases() == ""
    assert school.presence.accounts() == set()
    assert len(report["identities"]) == 2
    for identity in report["identities"]:
        assert identity["jid"].endswith(f"@{DOMAIN}")
        assert school.sugar_server("forget", identity["fingerprint"]).returncode == 0
        assert school.sugar_server("forget", identity["fingerprint"]).returncode == 1


def test_nothing_of_the_lan_is_on_the_uplink(school: School) -> None:
    status, report = school.check(
        "street", "--address", "192.0.2.7", "--expect", "", "--expect-no", EVERYTHING, "--interface", "eth0"
    )

    assert _failed(report) == {}
    assert status == 0
    ports = {found["tried"].rpartition(":")[2] for found in report["checks"] if "is closed" in found["check"]}
    assert ports == {"8080", "5222", "5223", "80", "53"}


def test_what_leaks_is_found(school: School) -> None:
    status, report = school.check(
        "laptop", "--address", SERVER, "--expect", "", "--expect-no", "registration,presence,http,dns,dhcp,ntp",
        "--interface", "eth0",
    )  # fmt: skip

    assert status == 1
    assert all(not found["ok"] for found in report["checks"])
    assert _failed(report)["dhcp: nobody offers addresses"].startswith("172.18.96.1 offers 172.18.96.")


def test_a_silent_network_is_a_report(school: School) -> None:
    status, report = school.check("street", "--address", "192.0.2.7", "--expect", EVERYTHING, "--interface", "eth0")

    assert status == 1
    failed = _failed(report)
    assert "nobody offers an address" in failed["dhcp: an address for a laptop"]
    assert "Connection refused" in failed["registration: 2 laptops register"]
    assert "does not tell the time" in failed["ntp: the time"]
    assert "Connection refused" in failed["presence: TLS 1.2 at most"]
    assert report["identities"] == []


def test_an_unknown_name_is_a_report(school: School) -> None:
    status, report = school.check("street")

    assert status == 1
    assert DOMAIN in _failed(report)["dns: the server's address"]


def test_people_read_it_too(school: School) -> None:
    done = school.sugaroid("laptop", "check", "--address", SERVER, "--expect", "http,ntp")
    lines = done.stdout.splitlines()

    assert lines[0].startswith("ok   http: the school's page")
    assert lines[1] == f"     tried: GET http://{DOMAIN}:80/"
    assert "\033" not in done.stdout
    assert lines[-1] == "4 of 4 checks are as expected."


def test_registration_that_should_be_refused(school: School) -> None:
    status, report = school.check(
        "laptop", "--address", SERVER, "--expect", "registration", "--registration", "refused"
    )

    assert status == 1
    assert _failed(report) == {
        "registration: an unknown laptop is refused": "a laptop that nobody knows was registered"
    }
    assert len(report["identities"]) == 1
    assert school.sugar_server("forget", report["identities"][0]["fingerprint"]).returncode == 0
