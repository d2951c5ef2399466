"""What each scenario decides, written down by hand."""

from __future__ import annotations

import builtins
import io
from ipaddress import IPv4Address
from typing import Any

import pytest
from hypothesis import given, settings, strategies

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.scenario.catalogue import RolePackages
from sugar_deploy.scenario.plan import Host, Plan
from sugar_deploy.scenario.resolve import resolve
from sugar_deploy.scenario.settings import ROLES
from sugar_deploy.scenario.variables import PHASES

CATALOGUE = {
    "repository": RolePackages(("ca-certificates",)),
    "lan": RolePackages(("dnsmasq",), {"wireless": ("iw", "wpasupplicant")}),
    "presence": RolePackages(("prosody", "prosody-sugar")),
    "sugar_server": RolePackages(("sugar-server",)),
}
UPLINK = {"interface": "eth0"}
LAN = {"interface": "eth1", "address": "172.18.96.1/19"}
RADIO = {"interface": "wlan0", "address": "10.43.0.1/22", "wireless": {"country": "PE"}}
ONLINE = {"scenario": "online-server", "uplink": UPLINK, "lan": LAN}


def plan(schools: dict[str, dict[str, Any]], **more: Any) -> Plan:
    """Resolve schools, each with a server unless it describes its own."""
    described = {name: {"server": {"address": "192.0.2.1"}, **school} for name, school in schools.items()}
    data = {"version": 1, "name": "test", "title": "Test", "domain": "test.example", "schools": described, **more}
    return resolve(Deployment.model_validate(data), CATALOGUE)


def one(school: dict[str, Any], **more: Any) -> Host:
    """Resolve a single school."""
    return plan({"school": school}, **more).hosts[0]


def variables(host: Host) -> dict[str, Any]:
    """All the role variables of a host, as `<role>__<field>`."""
    return {f"{role.role}__{name}": value for role in host.variables for name, value in role}


@pytest.mark.parametrize(
    ("school", "services"),
    [
        ({"scenario": "online-peers"}, set()),
        ({"scenario": "online-peers", "lan": LAN}, set()),
        ({"scenario": "online-server"}, set()),
        (ONLINE, {"backup", "pages", "dhcp", "dns", "gateway"}),
        ({"scenario": "offline-server", "lan": LAN}, {"backup", "pages", "dhcp", "dns"}),
        ({"scenario": "offline-server", "lan": LAN, "uplink": UPLINK}, {"backup", "pages", "dhcp", "dns"}),
        ({"scenario": "peer-server", "lan": RADIO}, {"backup", "pages", "dhcp", "dns"}),
        ({"scenario": "peer-server", "lan": RADIO, "uplink": UPLINK}, {"backup", "pages", "dhcp", "dns"}),
    ],
)
def test_services(school: dict[str, Any], services: set[str]) -> None:
    everywhere = {"registration", "presence", "updates", "statistics", "ntp", "upgrades", "firewall"}
    host = one(school)
    assert host.services == services | everywhere
    given = variables(host)
    # The daemon's own defaults are yes: what is not offered is said to be off.
    assert given["sugar_server__backup"].enabled is ("backup" in services)
    assert given["sugar_server__pages"].enabled is ("pages" in services)


@pytest.mark.parametrize(
    ("school", "follows", "serves", "own_clock"),
    [
        ({"scenario": "online-peers"}, True, None, False),
        ({"scenario": "online-server"}, True, None, False),
        (ONLINE, True, "172.18.96.1/19", True),
        ({"scenario": "offline-server", "lan": LAN}, False, "172.18.96.1/19", True),
        ({"scenario": "offline-server", "lan": LAN, "uplink": UPLINK}, True, "172.18.96.1/19", True),
        ({"scenario": "peer-server", "lan": RADIO}, False, "10.43.0.1/22", True),
        ({"scenario": "peer-server", "lan": RADIO, "uplink": UPLINK}, False, "10.43.0.1/22", True),
    ],
)
def test_time(school: dict[str, Any], follows: bool, serves: str | None, own_clock: bool) -> None:
    host = variables(one(school, services={"ntp": {"upstream": ["time.example"]}}))
    assert host["time__upstream"] == (("time.example",) if follows else ())
    assert host["time__serve"] == serves or str(host["time__serve"]) == serves
    assert host["time__local_clock"] is own_clock


@pytest.mark.parametrize(
    ("scenario", "server", "fqdn"),
    [
        ("online-peers", {"address": "jabber.example.org"}, "jabber.example.org"),
        ("online-peers", {"address": "jabber.example.org", "fqdn": "sugar.example.org"}, "sugar.example.org"),
        ("online-peers", {"address": "192.0.2.1"}, "school.test.example"),
        ("online-peers", {"address": "localhost"}, "school.test.example"),
        ("online-server", {"address": "gate.example.org"}, "school.test.example"),
        ("offline-server", {"address": "192.0.2.1", "fqdn": "xs.example.org"}, "xs.example.org"),
        ("peer-server", {"address": "tree.example.org"}, "school.test.example"),
    ],
)
def test_full_name(scenario: str, server: dict[str, str], fqdn: str) -> None:
    host = one({"scenario": scenario, "server": server, "lan": LAN})
    assert host.fqdn == fqdn
    named = ("base__fqdn", "lan__fqdn", "presence__domain", "sugar_server__fqdn")
    assert {variables(host)[name] for name in named} == {fqdn}


@pytest.mark.parametrize(
    ("lan", "first", "last"),
    [
        ({"address": "172.18.96.1/19"}, "172.18.96.2", "172.18.127.254"),
        ({"address": "10.0.0.1/24"}, "10.0.0.2", "10.0.0.254"),
        ({"address": "10.0.0.200/24"}, "10.0.0.201", "10.0.0.254"),
        ({"address": "10.0.0.253/24"}, "10.0.0.254", "10.0.0.254"),
        ({"address": "10.0.0.1/30"}, "10.0.0.2", "10.0.0.2"),
        ({"address": "10.0.0.1/24", "range": {"first": "10.0.0.50", "last": "10.0.0.60"}}, "10.0.0.50", "10.0.0.60"),
    ],
)
def test_range(lan: dict[str, Any], first: str, last: str) -> None:
    found = variables(one({"scenario": "offline-server", "lan": {"interface": "eth1", **lan}}))["lan__range"]
    assert (found.first, found.last) == (IPv4Address(first), IPv4Address(last))


def test_no_range_above_the_last_address() -> None:
    lan = {"interface": "eth1", "address": "10.0.0.254/24"}
    assert variables(one({"scenario": "offline-server", "lan": lan}))["lan__range"] is None


@pytest.mark.parametrize(
    ("school", "from_lan"),
    [
        (ONLINE, False),
        ({**ONLINE, "services": {"ssh": {"from_lan": True}}}, True),
        # The deployer reaches it at an address of its LAN: closing SSH there would lock everybody out.
        ({**ONLINE, "server": {"address": "172.18.96.1"}}, True),
        ({"scenario": "offline-server", "lan": LAN}, True),
        ({"scenario": "offline-server", "lan": LAN, "uplink": UPLINK}, False),
        ({"scenario": "online-peers", "services": {"ssh": {"from_lan": True}}}, False),
    ],
)
def test_ssh_from_lan(school: dict[str, Any], from_lan: bool) -> None:
    host = variables(one(school))
    assert host["firewall__ssh_from_lan"] is from_lan
    assert host["sshd__from_lan"] is from_lan


@pytest.mark.parametrize(
    ("backup", "opened", "leads"),
    [
        ({}, {2222}, True),
        ({"port_22": False}, {2222}, False),
        ({"enabled": False}, set(), False),
    ],
)
def test_laptops_in_the_field_come_to_their_port(backup: dict[str, Any], opened: set[int], leads: bool) -> None:
    host = variables(one({**ONLINE, "services": {"backup": backup}}))
    assert set(host["firewall__lan_tcp"]) & {22, 2222} == opened
    assert host["firewall__backup_by_ssh_port"] is leads


def test_system_builds_can_be_left_out_of_the_updates() -> None:
    host = variables(one({**ONLINE, "services": {"updates": {"builds": False}}}))
    assert 873 not in host["firewall__lan_tcp"]
    assert variables(one({"scenario": "online-peers"}))["sugar_server__updates"].builds is False
    assert host["sugar_server__updates"].packages is True


def test_ports_without_a_lan() -> None:
    host = variables(one({"scenario": "online-peers", "server": {"address": "192.0.2.1", "port": 2022}}))
    assert host["firewall__uplink_tcp"] == (80, 5222, 5223, 8080)
    assert host["firewall__lan_tcp"] == host["firewall__lan_udp"] == ()
    assert host["firewall__ssh_port"] == 2022


def test_ports_with_a_lan() -> None:
    host = variables(one({**ONLINE, "services": {"firewall": {"uplink_ports": [443]}}}))
    assert host["firewall__uplink_tcp"] == ()
    assert host["firewall__uplink_ports"] == (443,)
    assert host["firewall__lan_tcp"] == (53, 80, 873, 2222, 5222, 5223, 8080)
    assert host["firewall__lan_udp"] == (53, 67, 123)
    assert (host["firewall__lan_interface"], host["firewall__uplink_interface"]) == ("eth1", "eth0")


DAEMON = {"registration", "backup", "updates", "statistics", "pages"}
SWITCHES = (*sorted(DAEMON), "presence", "dhcp", "dns", "ntp", "gateway", "upgrades", "firewall")


@settings(max_examples=150, deadline=None)
@given(
    off=strategies.sets(strategies.sampled_from(SWITCHES)),
    scenario=strategies.sampled_from(["online-peers", "online-server", "offline-server", "peer-server"]),
    lan=strategies.booleans(),
    uplink=strategies.booleans(),
)
def test_what_is_off_is_shut(off: set[str], scenario: str, lan: bool, uplink: bool) -> None:
    """For every mixture: nothing runs that is off, no port is open for it, and none to the uplink beside a LAN."""
    school: dict[str, Any] = {"scenario": scenario, "services": {name: {"enabled": False} for name in off}}
    school |= {"lan": LAN} if lan else {}
    school |= {"uplink": UPLINK} if uplink else {}
    host = one(school)
    found = variables(host)
    assert not host.services & off
    assert (found["presence__state"] == "absent") == ("presence" in off)
    served = DAEMON - off - (set() if lan and scenario != "online-peers" else {"backup", "pages"})
    assert (found["sugar_server__state"] == "present") == bool(served)
    assert found["sugar_server__backup"].enabled == ("backup" in served)
    assert found["sugar_server__pages"].enabled == ("pages" in served)
    serves = found["lan__state"] == "present"
    assert serves == (lan and scenario != "online-peers")
    opened = set(found["firewall__lan_tcp"]) | set(found["firewall__lan_udp"]) | set(found["firewall__uplink_tcp"])
    assert bool(opened & {80, 8080}) == bool(served)
    assert not found["firewall__uplink_tcp"] or not opened & {873, 2222}, "for the school's own network only"
    shut = {"backup": {2222}, "updates": {873}, "presence": {5222, 5223}, "dhcp": {67}, "dns": {53}, "ntp": {123}}
    for name in off & shut.keys():
        assert not opened & shut[name]
    assert not (serves and found["firewall__uplink_tcp"])
    assert serves or not found["firewall__lan_tcp"] + found["firewall__lan_udp"]
    assert found["lan__gateway"] == found["firewall__gateway"] == ("gateway" in host.services)
    assert not ("ntp" in off and (found["time__upstream"] or found["time__serve"] or found["time__local_clock"]))


def test_a_school_overrides_single_keys() -> None:
    school = {**ONLINE, "services": {"presence": {"log_level": "debug"}, "dhcp": {"lease_minutes": 10}}}
    host = variables(one(school, services={"presence": {"max_stanza_kib": 100}, "dhcp": {"enabled": False}}))
    assert (host["presence__log_level"], host["presence__max_stanza_kib"]) == ("debug", 100)
    assert (host["lan__dhcp"].enabled, host["lan__dhcp"].lease_minutes) == (False, 10)


def test_packages_follow_the_roles_in_use() -> None:
    everything = ("ca-certificates", "dnsmasq", "prosody", "prosody-sugar", "sugar-server")
    assert one(ONLINE).packages == everything
    assert one({"scenario": "peer-server", "lan": RADIO}).packages == tuple(
        sorted((*everything, "iw", "wpasupplicant"))
    )
    off = {name: {"enabled": False} for name in ("presence", *DAEMON)}
    assert one({"scenario": "online-peers"}, services=off).packages == ("ca-certificates",)


def test_groups() -> None:
    off = {name: {"enabled": False} for name in ("ntp", "upgrades", "firewall", "gateway")}
    assert one({**ONLINE, "role": "master", "services": off}).groups == (
        *("role_master", "scenario_online_server"),
        *("service_backup", "service_dhcp", "service_dns", "service_pages", "service_presence"),
        *("service_registration", "service_statistics", "service_updates"),
    )


def test_masters() -> None:
    peer = {"scenario": "peer-server", "lan": RADIO}
    assert one(peer).master is None
    named = {host.name: host.master for host in plan({"b": {**ONLINE, "role": "master"}, "a": peer}).hosts}
    assert named == {"a": "b", "b": None}
    both = {"m": {**ONLINE, "role": "master"}, "n": {**ONLINE, "role": "master"}, "a": {**ONLINE, "master": "n"}}
    assert {host.name: host.master for host in plan({**both, "b": peer}).hosts} == {
        **{"m": None, "n": None},
        **{"a": "n", "b": None},
    }


def test_hosts_are_sorted_and_titled() -> None:
    hosts = plan({"b": {**ONLINE, "title": "Second"}, "a": ONLINE}).hosts
    assert [(host.name, host.title) for host in hosts] == [("a", "a"), ("b", "Second")]
    assert hosts[0].connection.address == "192.0.2.1"
    assert str(hosts[0].lan_address) == "172.18.96.1"


def test_laptops_are_named_where_they_are_rendered() -> None:
    assert variables(one({**ONLINE, "laptops": "x/list.csv"}))["sugar_server__laptops"] == "files/laptops/school.csv"
    assert variables(one(ONLINE))["sugar_server__laptops"] is None


def test_one_set_of_variables_for_each_phase_in_order() -> None:
    assert len(ROLES) == len(PHASES)
    assert tuple(type(role) for role in one(ONLINE).variables) == PHASES


def test_touches_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: Any, **__: Any) -> Any:
        raise AssertionError("resolve opened a file")

    deployment = Deployment.model_validate(
        {"version": 1, "name": "t", "title": "T", "schools": {"a": {"server": {"address": "a"}, **ONLINE}}}
    )
    monkeypatch.setattr(builtins, "open", forbidden)
    monkeypatch.setattr(io, "open", forbidden)
    assert resolve(deployment, CATALOGUE) == resolve(deployment, CATALOGUE)
