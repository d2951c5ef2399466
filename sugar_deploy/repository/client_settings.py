"""What a laptop must know of its deployment, by scenario: the one source of every client configuration package.

The .deb packages and the .rpm packages both say what is computed here, so that a laptop on Debian and one on
OLPC OS cannot drift apart. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sugar_deploy.deployment.model import Role, Scenario
from sugar_deploy.scenario.plan import Host, Plan

LAN_SERVER = "schoolserver"
"""The name that every school server answers to on its LAN, and that Sugar asks for by itself."""
MICROFORMAT = "microformat.MicroformatUpdater"
"""Sugar's updater that reads the activity page of a school server."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The settings of the laptops of a scenario."""

    scenario: Scenario
    server: str
    """Host of presence (`jabber-server`), and with it of registration on port 8080: a bare host name.

    Never preset Sugar's backup URL: a laptop that has one believes that it is registered.
    """
    update_url: str
    """Page of activities, as Sugar's microformat updater reads it."""
    update_backend: str
    """Sugar's updater, as `module.Class`."""
    repository_url: str
    """Root of the published tree (dists/, pool/, yum/), without a slash at the end."""
    repository_on_web: bool
    """Whether the deployment file names that URL; if not, it is where a school's server would offer it."""


def scenarios(plan: Plan) -> tuple[Scenario, ...]:
    """The scenarios of the deployment's schools, sorted."""
    return tuple(sorted({host.school.scenario for host in plan.hosts}))


def main_scenario(plan: Plan) -> Scenario | None:
    """The scenario of most schools, which speaks for the whole deployment; None without schools."""
    used = [host.school.scenario for host in plan.hosts]
    return min(set(used), key=lambda one: (-used.count(one), one), default=None)


def client_settings(plan: Plan, scenario: Scenario) -> ClientSettings:
    """The settings of the laptops of a scenario's schools."""
    server = _server([host for host in plan.hosts if host.school.scenario is scenario])
    chosen = plan.deployment.repository.url
    return ClientSettings(
        scenario=scenario,
        server=server,
        update_url=f"http://{server}/activities/",
        update_backend=MICROFORMAT,
        repository_url=(chosen or f"http://{server}/repository").rstrip("/"),
        repository_on_web=chosen is not None,
    )


def kinds(plan: Plan) -> dict[str, ClientSettings]:
    """The settings for each kind of laptop, by its name in packages: one for each scenario in use.

    Where several masters of a scenario are each reached by a name of their own, one for each of them besides.
    """
    found: dict[str, ClientSettings] = {}
    for scenario in scenarios(plan):
        found[str(scenario)] = client_settings(plan, scenario)
        hosts = [host for host in plan.hosts if host.school.scenario is scenario and host.school.role is Role.MASTER]
        # Each master as if it were the only server, to see by which name its laptops reach it.
        own = {host.name: client_settings(replace(plan, hosts=(host,)), scenario) for host in hosts}
        if len(own) > 1:
            found |= {f"{scenario}-{school}": one for school, one in own.items() if one.server != LAN_SERVER}
    return found


def _server(hosts: list[Host]) -> str:
    """The name that laptops of all these schools can use.

    Where any of the schools has a LAN of ours, that is the name that each server answers to there. Otherwise
    laptops come over a network that is not ours: to the master, else to the first of the servers.
    """
    if not hosts or any(_serves_lan(host) for host in hosts):
        return LAN_SERVER
    masters = [host for host in hosts if host.school.role is Role.MASTER]
    return (masters or hosts)[0].fqdn


def _serves_lan(host: Host) -> bool:
    return host.school.lan is not None and host.school.scenario is not Scenario.ONLINE_PEERS
