"""What is checked where, and how a laptop's report is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.remote.session import Answer
from sugar_deploy.run.verify import (
    Check,
    SchoolReport,
    check_argv,
    expected_services,
    forget_commands,
    parse_vantages,
    read_report,
)
from sugar_deploy.scenario.plan import Connection, Host
from sugar_deploy.scenario.resolve import resolve


def host(scenario: str, **services: object) -> Host:
    school: dict[str, object] = {"scenario": scenario, "role": "master", "server": {"address": "192.0.2.10"}}
    if scenario != "online-peers":
        school["lan"] = {"interface": "eth1", "address": "172.18.96.1/19"}
    if scenario == "online-server":
        school["uplink"] = {"interface": "eth0"}
    document = {"version": 1, "name": "lima", "title": "Lima", "services": services, "schools": {"feria": school}}
    return resolve(Deployment.model_validate(document)).hosts[0]


def test_a_laptop_tries_all_that_the_scenario_serves() -> None:
    assert expected_services(host("offline-server"), on_laptop=True) == (
        ["registration", "http", "presence", "updates", "statistics", "backup", "pages", "dns", "dhcp", "ntp"],
        [],
    )
    assert expected_services(host("online-peers"), on_laptop=True) == (
        ["registration", "http", "presence", "updates", "statistics"],
        [],
    )


def test_the_server_itself_cannot_prove_what_only_a_laptop_sees() -> None:
    expected, not_tried = expected_services(host("peer-server"), on_laptop=False)
    assert "dhcp" not in expected
    assert not_tried == ["dhcp"]


def test_a_gateway_is_looked_for_from_a_laptop_only_and_only_where_there_is_one() -> None:
    expected, _ = expected_services(host("online-server"), on_laptop=True)
    assert expected[-2:] == ["ntp", "gateway"]
    _, not_tried = expected_services(host("online-server"), on_laptop=False)
    assert not_tried == ["dhcp", "gateway"]


def test_leases_are_tried_where_they_are_given() -> None:
    for on_laptop in (True, False):
        expected, _ = expected_services(host("offline-server", antitheft={"enabled": True}), on_laptop=on_laptop)
        assert "antitheft" in expected
    assert "antitheft" not in expected_services(host("online-peers", antitheft={"enabled": True}), on_laptop=True)[0]


def test_what_is_switched_off_is_not_expected() -> None:
    expected, not_tried = expected_services(host("offline-server", presence={"enabled": False}), on_laptop=True)
    assert "presence" not in expected
    assert not_tried == []


def test_a_library_that_is_switched_off_is_not_looked_for() -> None:
    expected, _ = expected_services(host("offline-server", updates={"activities": False}), on_laptop=True)
    assert "updates" not in expected
    assert "backup" in expected


def test_what_is_for_registered_laptops_is_not_tried_by_pretended_ones() -> None:
    for registration in ({"who": "listed"}, {"enabled": False}):
        expected, not_tried = expected_services(host("offline-server", registration=registration), on_laptop=True)
        assert not {"statistics", "backup"} & set(expected)
        assert not_tried == ["statistics", "backup"]
        assert {"pages", "updates", "http"} <= set(expected)


def test_pretended_laptops_leave_neither_registrations_nor_backups() -> None:
    one, other = "SHA256:a/b+c", "SHA256:d"
    assert forget_commands([one, other], backups=True) == [
        "sugar-server remove-backups --yes SHA256:a/b+c SHA256:d",
        "sugar-server forget --if-registered SHA256:a/b+c SHA256:d",
    ]
    many = forget_commands([f"SHA256:{number}" for number in range(60)], backups=True)
    assert [command.split()[1] for command in many] == ["remove-backups", "forget"] * 3
    assert [word for command in many[1::2] for word in command.split()[3:]] == [f"SHA256:{n}" for n in range(60)]
    assert forget_commands([one], backups=False) == ["sugar-server forget --if-registered SHA256:a/b+c"]


def test_the_command_names_the_server_as_laptops_know_it() -> None:
    argv = check_argv(host("offline-server"), ["dns"], on_laptop=True)
    assert argv == (
        *("sugaroid", "check", "--json", "--server", "feria.lan", "--expect", "dns", "--domain", "lan"),
        *("--address", "172.18.96.1"),
    )
    # On the Internet, laptops ask the Internet's DNS; on the server itself that may not know it yet.
    assert "--address" not in check_argv(host("online-peers"), ["http"], on_laptop=True)
    assert check_argv(host("online-peers"), ["http"], on_laptop=False)[-2:] == ("--address", "127.0.0.1")


def test_the_pages_are_looked_for_or_proved_not_to_be_there() -> None:
    assert "--expect-no" not in check_argv(host("offline-server"), ["pages"], on_laptop=True)
    for without in (host("online-peers"), host("offline-server", pages={"enabled": False})):
        argv = check_argv(without, ["http"], on_laptop=True)
        assert argv[argv.index("--expect-no") + 1] == "pages"


def test_a_pretended_laptop_is_refused_where_only_listed_ones_may_register() -> None:
    argv = check_argv(host("offline-server", registration={"who": "listed"}), ["registration"], on_laptop=True)
    assert argv[-2:] == ("--registration", "refused")


@pytest.mark.parametrize(
    ("value", "school", "connection"),
    [
        ("172.18.96.40", "feria", Connection("172.18.96.40", 22, "root")),
        ("olpc@laptop.lan:2222", "feria", Connection("laptop.lan", 2222, "olpc")),
        ("feria=root@127.0.0.1:40001", "feria", Connection("127.0.0.1", 40001, "root")),
    ],
)
def test_a_vantage_is_read(value: str, school: str, connection: Connection) -> None:
    assert parse_vantages([value], ["feria"]) == {school: connection}


@pytest.mark.parametrize(
    ("value", "schools", "message"),
    [
        ("root@", ["feria"], "is not understood"),
        ("lima=root@a", ["feria"], "not selected"),
        ("root@a", ["feria", "plaza"], "for which school"),
    ],
)
def test_a_vantage_that_makes_no_sense_is_refused(value: str, schools: list[str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_vantages([value], schools)


def test_a_report_is_read_with_the_laptops_to_forget() -> None:
    check = {"service": "dns", "check": "by TCP", "tried": "A", "seen": "172.18.96.1", "ok": True, "seconds": 0.1}
    report = {"checks": [check], "identities": [{"serial": "AAA1", "fingerprint": "SHA256:x", "jid": "j"}]}
    checks, identities = read_report(Answer(0, json.dumps(report), ""))
    assert checks == (Check("dns", "by TCP", "A", "172.18.96.1", True, 0.1),)
    assert identities == ["SHA256:x"]


@pytest.mark.parametrize("out", ["", "[]", '{"checks": [{}], "identities": []}', "Traceback"])
def test_no_report_is_a_clear_failure(out: str) -> None:
    with pytest.raises(DeployError, match="sugaroid did not report: sh: sugaroid: not found"):
        read_report(Answer(127, out, "sh: sugaroid: not found\n"))


def test_nothing_tried_is_not_well() -> None:
    assert not SchoolReport("feria", "a laptop").ok
    assert not SchoolReport("feria", "a laptop", (Check("dns", "", "", "", False),)).ok
    assert SchoolReport("feria", "a laptop", (Check("dns", "", "", "", True),)).ok


def test_schools_of_a_federation_are_reached_through_the_server() -> None:
    schools = {
        name: {
            "scenario": "online-server",
            "role": "master",
            "server": {"address": f"192.0.2.{number}"},
            "lan": {"interface": "eth1", "address": f"172.18.{number}.1/24"},
            "uplink": {"interface": "eth0"},
            "services": {"presence": {"federation": federation}},
        }
        for number, (name, federation) in enumerate({"cusco": "valle", "lima": "valle", "puno": None}.items(), 1)
    }
    document = {"version": 1, "name": "andes", "title": "Andes", "schools": schools}
    hosts = {found.name: found for found in resolve(Deployment.model_validate(document)).hosts}
    argv = check_argv(hosts["cusco"], ["presence"], on_laptop=True)
    assert argv[argv.index("--fellows") + 1] == hosts["lima"].fqdn
    assert "--fellows" not in check_argv(hosts["puno"], ["presence"], on_laptop=True)
    assert "--fellows" not in check_argv(hosts["cusco"], ["http"], on_laptop=True)


def test_a_server_has_to_prove_itself_by_the_deployment_s_authority(tmp_path: Path) -> None:
    authority = tmp_path / "authority.crt"
    assert "--authority" not in check_argv(host("offline-server"), ["presence"], on_laptop=True, authority=authority)
    authority.write_text("-----BEGIN CERTIFICATE-----\nMIIB\nAAAA\n-----END CERTIFICATE-----\n")
    argv = check_argv(host("offline-server"), ["presence"], on_laptop=True, authority=authority)
    assert argv[argv.index("--authority") + 1] == "MIIBAAAA"
    assert "--authority" not in check_argv(host("offline-server"), ["http"], on_laptop=True, authority=authority)
    authority.write_text("gone\n")
    with pytest.raises(DeployError, match=r"authority\.crt is no certificate"):
        check_argv(host("offline-server"), ["presence"], on_laptop=True, authority=authority)
