"""Who is of which federation, and what their servers know of each other."""

from __future__ import annotations

from typing import Any

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.scenario.resolve import resolve
from sugar_deploy.scenario.variables import FirewallVariables, PresenceVariables


def _school(address: str, number: int, federation: str | None = None, **server: str) -> dict[str, Any]:
    return {
        "scenario": "offline-server",
        "server": {"address": address, **server},
        "uplink": {"interface": "eth0"},
        "lan": {"interface": "eth1", "address": f"10.7.{number}.1/24"},
        "services": {"presence": {"federation": federation}},
    }


def _variables(schools: dict[str, Any]) -> dict[str, tuple[dict[str, str], tuple[str, ...]]]:
    data = {"version": 1, "name": "andes", "title": "Andes", "domain": "andes.example", "schools": schools}
    found = {}
    for host in resolve(Deployment.model_validate(data)).hosts:
        presence = next(part for part in host.variables if isinstance(part, PresenceVariables))
        firewall = next(part for part in host.variables if isinstance(part, FirewallVariables))
        found[host.name] = ({peer.domain: peer.address for peer in presence.peers}, firewall.federation_from)
    return found


def test_schools_that_write_the_same_name_know_each_other() -> None:
    found = _variables(
        {
            "lima": _school("192.0.2.1", 1, "valle"),
            "cusco": _school("192.0.2.2", 2, "valle", federation_address="198.51.100.2", fqdn="s.cusco.example"),
            "puno": _school("192.0.2.3", 3, "puna"),
            "juliaca": _school("juliaca.example", 4, "puna"),
            "ica": _school("192.0.2.5", 5),
        }
    )
    assert found == {
        "lima": ({"s.cusco.example": "198.51.100.2"}, ("198.51.100.2",)),
        "cusco": ({"lima.andes.example": "192.0.2.1"}, ("192.0.2.1",)),
        # Rules of a firewall hold no names.
        "puno": ({"juliaca.andes.example": "juliaca.example"}, ("0.0.0.0/0",)),
        "juliaca": ({"puno.andes.example": "192.0.2.3"}, ("192.0.2.3",)),
        "ica": ({}, ()),
    }


def test_without_presence_a_school_is_of_no_federation() -> None:
    off = _school("192.0.2.2", 2)
    off["services"]["presence"] = {"federation": "valle", "enabled": False}
    found = _variables({"lima": _school("192.0.2.1", 1, "valle"), "cusco": off})
    assert found == {"lima": ({}, ()), "cusco": ({}, ())}
