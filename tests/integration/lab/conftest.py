"""Machines of the lab, shared where a test leaves them as they were."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.spec import UPLINK, MachineSpec, Nic

MACHINES = (
    MachineSpec("lima", "server", "lima", (Nic("eth0", UPLINK, "192.0.2.10/24"), Nic("eth1", "lan0"))),
    MachineSpec("lima-laptop", "client", "lima", (Nic("eth0", "lan0"),)),
)


@pytest.fixture(scope="session", autouse=True)
def _root() -> None:
    assert os.geteuid() == 0, "the lab's tests make network namespaces and mounts: run them as root"


@pytest.fixture(scope="package")
def lab() -> Iterator[Lab]:
    """A server and a laptop on its LAN."""
    with Lab(MACHINES) as made:
        yield made
