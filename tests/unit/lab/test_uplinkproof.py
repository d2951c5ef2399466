"""What must and must not be reachable from the uplink, as the scenarios have it."""

from __future__ import annotations

from typing import Any

import pytest

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.lab.uplinkproof import expected_ports
from sugar_deploy.scenario.plan import Host
from sugar_deploy.scenario.resolve import resolve

LAN = {"lan": {"interface": "eth1", "address": "172.18.96.1/19"}}
UPLINK = {"uplink": {"interface": "eth0"}}
SERVED = {80, 8080, 5222, 5223}
NOT_FOR_OUTSIDERS = {53, 873, 2222, 5269}


def host(scenario: str, **more: Any) -> Host:
    school = {"scenario": scenario, "role": "master", "server": {"address": "127.0.0.1", "port": 40001}, **more}
    document = {"version": 1, "name": "peru", "title": "Peru", "schools": {"lima": school}}
    return resolve(Deployment.model_validate(document)).hosts[0]


@pytest.mark.parametrize(
    ("given", "must", "must_not"),
    [
        (host("online-peers", **UPLINK), SERVED | {40001}, NOT_FOR_OUTSIDERS),
        (host("online-server", **UPLINK, **LAN), {40001}, SERVED | NOT_FOR_OUTSIDERS),
        (host("offline-server", **UPLINK, **LAN), {40001}, SERVED | NOT_FOR_OUTSIDERS),
        (host("peer-server", **LAN), set(), SERVED | NOT_FOR_OUTSIDERS),
        (
            host("offline-server", **UPLINK, **LAN, services={"firewall": {"uplink_ports": [80]}}),
            {40001},
            {8080, 5222, 5223} | NOT_FOR_OUTSIDERS,
        ),
        (host("offline-server", **UPLINK, **LAN, services={"firewall": {"enabled": False}}), {40001}, set()),
        (
            host("online-peers", **UPLINK, services={"presence": {"enabled": False}}),
            {80, 8080, 40001},
            {5222, 5223} | NOT_FOR_OUTSIDERS,
        ),
    ],
)
def test_ports(given: Host, must: set[int], must_not: set[int]) -> None:
    assert expected_ports(given, 40001) == (must, must_not)
