"""Which machines a deployment needs in the lab. Pure."""

from __future__ import annotations

from dataclasses import replace

from sugar_deploy.deployment.model import Deployment, School
from sugar_deploy.errors import UsageError
from sugar_deploy.lab.spec import UPLINK, MachineSpec, Nic

MOST_SCHOOLS = 20
UPLINK_NIC = "eth0"
LAN_NIC = "eth1"
_SUGAR_MIB = 1536
UNPLUGGED = "unplugged"
"""Begins the name of a link with nobody else on it."""


def machines_for(
    deployment: Deployment, *, offline: bool = False, with_sugar: bool = False, memory_mib: int | None = None
) -> tuple[MachineSpec, ...]:
    """A server and a laptop for each school; schools share the uplink, each has a LAN of its own.

    OFFLINE servers have no uplink: from them the laptop is all there is. WITH_SUGAR laptops run Sugar. MEMORY_MIB is
    all that a server has, without swap.
    """
    schools = sorted(deployment.schools.items())
    if not schools:
        raise UsageError("The deployment has no schools, so the lab has nothing to boot", "Describe one")
    if len(schools) > MOST_SCHOOLS:
        raise UsageError(
            f"The deployment has {len(schools)} schools, the lab has room for {MOST_SCHOOLS}",
            "Try it with a few of them",
        )
    pairs = [(_offline if offline else _machines)(number, *school) for number, school in enumerate(schools)]
    return tuple(
        machine
        for server, laptop in pairs
        for machine in (
            replace(server, memory_mib=memory_mib, held_to_memory=True) if memory_mib else server,
            replace(laptop, sugar=True, memory_mib=_SUGAR_MIB) if with_sugar else laptop,
        )
    )


def _machines(number: int, name: str, school: School) -> tuple[MachineSpec, MachineSpec]:
    uplink = Nic(UPLINK_NIC, UPLINK, f"192.0.2.{10 + number}/24")
    if school.lan is None:
        # Laptops meet this server on the network that someone else runs.
        laptop = Nic("eth0", UPLINK, f"192.0.2.{110 + number}/24")
        return MachineSpec(name, "server", name, (uplink,)), _laptop(name, laptop)
    lan = f"lan{number}"
    return MachineSpec(name, "server", name, (uplink, Nic(LAN_NIC, lan))), _laptop(name, Nic("eth0", lan))


def _offline(number: int, name: str, school: School) -> tuple[MachineSpec, MachineSpec]:
    if school.lan is None:
        raise UsageError(
            f"{name} has no LAN of its own: without an uplink nobody could reach its server",
            "Try offline what serves a LAN: --scenario offline-server or peer-server",
        )
    lan = f"lan{number}"
    nics = (Nic(UPLINK_NIC, f"{UNPLUGGED}{number}"), Nic(LAN_NIC, lan))
    return MachineSpec(name, "server", name, nics, offline=True), _laptop(name, Nic("eth0", lan))


def _laptop(school: str, nic: Nic) -> MachineSpec:
    return MachineSpec(f"{school}-laptop", "client", school, (nic,), memory_mib=512)
