"""Which machines a deployment needs, and how its file looks in the lab."""

from __future__ import annotations

from typing import Any

import pytest

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.errors import UsageError
from sugar_deploy.lab.adapt import for_lab
from sugar_deploy.lab.spec import LabSpec, MachineSpec, Nic
from sugar_deploy.lab.topology import machines_for

DEBIAN = {"suites": ["trixie"], "architectures": ["amd64"]}
LAN = {"interface": "enp3s0", "address": "172.18.96.1/19"}


def deployment(**schools: dict[str, Any]) -> Deployment:
    return Deployment.model_validate(
        {
            "version": 1,
            "name": "peru",
            "title": "Peru",
            "schools": schools,
            "repository": {"url": "https://x.example", "contents": "complete", "architectures": ["armhf"]},
        }
    )


def school(**more: Any) -> dict[str, Any]:
    return {"scenario": "offline-server", "role": "master", "server": {"address": "10.1.1.1", "port": 2222}, **more}


def test_a_server_and_a_laptop_on_the_lan_of_each_school() -> None:
    found = machines_for(deployment(lima=school(lan=LAN), cusco=school(lan=LAN)))
    assert found == (
        MachineSpec("cusco", "server", "cusco", (Nic("eth0", "uplink", "192.0.2.10/24"), Nic("eth1", "lan0"))),
        MachineSpec("cusco-laptop", "client", "cusco", (Nic("eth0", "lan0"),), memory_mib=512),
        MachineSpec("lima", "server", "lima", (Nic("eth0", "uplink", "192.0.2.11/24"), Nic("eth1", "lan1"))),
        MachineSpec("lima-laptop", "client", "lima", (Nic("eth0", "lan1"),), memory_mib=512),
    )


def test_laptops_have_sugar_where_asked() -> None:
    server, laptop = machines_for(deployment(lima=school(lan=LAN)), with_sugar=True)
    assert (server.sugar, laptop.sugar) == (False, True)
    assert laptop.nics == (Nic("eth0", "lan0"),)


def test_servers_are_as_small_as_asked_and_their_laptops_are_not() -> None:
    server, laptop = machines_for(deployment(lima=school(lan=LAN)), memory_mib=256)
    assert (server.memory_mib, server.held_to_memory) == (256, True)
    assert (laptop.memory_mib, laptop.held_to_memory) == (512, False)


def test_without_a_lan_the_laptop_is_on_the_uplink() -> None:
    server, laptop = machines_for(deployment(lima=school()))
    assert server.nics == (Nic("eth0", "uplink", "192.0.2.10/24"),)
    assert laptop.nics == (Nic("eth0", "uplink", "192.0.2.110/24"),)


def test_no_school_and_too_many_are_refused() -> None:
    with pytest.raises(UsageError, match="no schools"):
        machines_for(deployment())
    with pytest.raises(UsageError, match="room for 20"):
        machines_for(deployment(**{f"s{number}": school() for number in range(21)}))


def test_what_a_supervisor_reads_is_what_was_written(tmp_path: Any) -> None:
    spec = LabSpec("lab-1", "trixie", "nspawn", "/image", machines_for(deployment(lima=school(lan=LAN))))
    (tmp_path / "spec").write_text(spec.to_json())
    assert LabSpec.read(tmp_path / "spec") == spec
    assert spec.links == ("lan0", "uplink")


def test_the_lab_changes_where_a_school_is_and_not_what_it_is() -> None:
    wireless = {"country": "PE", "mode": "access-point"}
    given = deployment(
        lima=school(
            lan={**LAN, "wireless": wireless},
            uplink={"interface": "eno1", "network": "10.0.0.0/8"},
            services={"presence": {"max_stanza_kib": 1024}},
            server={"address": "school.example", "port": 2222, "user": "olpc", "fqdn": "lima.edu.pe"},
        )
    )
    document = for_lab(given, {"lima": 40001}, DEBIAN, {"lima": "192.0.2.10"})
    assert document["schools"]["lima"] == {
        "scenario": "offline-server",
        "role": "master",
        "server": {"address": "127.0.0.1", "port": 40001, "user": "root", "fqdn": "lima.edu.pe"},
        "lan": {"interface": "eth1", "address": "172.18.96.1/19"},
        "uplink": {"interface": "eth0", "network": "192.0.2.0/24"},
        "services": {"presence": {"max_stanza_kib": 1024}},
    }
    debian = {"suites": ["trixie"], "architectures": ["amd64"]}
    assert document["repository"] == {"contents": "complete", **debian, "kernel": False}
    assert Deployment.model_validate(document).schools["lima"].server.port == 40001


def test_a_school_without_an_uplink_gets_none() -> None:
    document = for_lab(deployment(lima=school(lan=LAN)), {"lima": 40001}, DEBIAN, {"lima": ""})
    assert "uplink" not in document["schools"]["lima"]


def test_schools_of_a_federation_find_each_other_on_the_labs_uplink() -> None:
    member = {"uplink": {"interface": "eno1"}, "services": {"presence": {"federation": "valle"}}}
    given = deployment(
        cusco=school(lan=LAN, **member, server={"address": "cusco.example", "federation_address": "198.51.100.7"}),
        lima=school(lan={**LAN, "address": "172.18.128.1/19"}, **member),
        puno=school(lan={**LAN, "address": "172.18.160.1/19"}),
    )
    ports = {"cusco": 40001, "lima": 40002, "puno": 40003}
    document = for_lab(given, ports, DEBIAN, {name: f"192.0.2.{port - 39991}" for name, port in ports.items()})
    servers = {name: section["server"].get("federation_address") for name, section in document["schools"].items()}
    assert servers == {"cusco": "192.0.2.10", "lima": "192.0.2.11", "puno": None}
