"""What one school must obey beyond its single values; each rule is a function that yields faults.

Rules about addresses are in `network_rules.py`, those between schools in `between.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from sugar_deploy.deployment.administrator import keeps_backups_from_port
from sugar_deploy.deployment.faults import Fault, Path, did_you_mean, quoted
from sugar_deploy.deployment.model import Deployment, Role, Scenario, School
from sugar_deploy.resources import model_names, model_suites

_ANY_LAN = frozenset({"backup", "pages", "antitheft", "dhcp", "dns", "gateway"})
LAN_SERVICES: dict[Scenario, frozenset[str]] = {
    Scenario.ONLINE_PEERS: frozenset(),
    Scenario.ONLINE_SERVER: _ANY_LAN,
    Scenario.OFFLINE_SERVER: _ANY_LAN - {"gateway"},
    Scenario.PEER_SERVER: _ANY_LAN - {"gateway"},
}
"""Services that a scenario offers on a LAN; all others it offers everywhere."""
_NEEDS_LAN = {Scenario.OFFLINE_SERVER, Scenario.PEER_SERVER}
_ISOLATED = {Scenario.OFFLINE_SERVER, Scenario.PEER_SERVER}
_NEEDS_MASTER = {Scenario.ONLINE_SERVER, Scenario.OFFLINE_SERVER}


@dataclass(frozen=True, slots=True)
class Site:
    """A school, and what its rules need to know of the rest."""

    name: str
    school: School
    deployment: Deployment
    roles: Mapping[str, Role | None]
    """Every school's role; None where that is faulty."""
    masters: tuple[str, ...]
    complete: bool
    """Whether all schools' names and roles are known; a faulty part may hold the master."""

    def fault(self, key: str, message: str, remedy: str, *, at_key: bool = False) -> Fault:
        """A fault at one of the school's dotted keys."""
        below: Path = tuple(key.split(".")) if key else ()
        return Fault(("schools", self.name, *below), message, remedy, at_key)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule, and the keys of a school that it judges by: it says nothing while one of them is faulty itself."""

    check: Callable[[Site], Iterator[Fault]]
    keys: tuple[str, ...]


def needs_lan(site: Site) -> Iterator[Fault]:
    """A server in the school serves a LAN; only an online master may stand elsewhere."""
    school = site.school
    node = school.scenario is Scenario.ONLINE_SERVER and school.role is Role.NODE
    if school.lan is None and (node or school.scenario in _NEEDS_LAN):
        what = f"a node in scenario {school.scenario}" if node else f"scenario {school.scenario}"
        yield site.fault("lan", f"is missing: {what} serves a LAN", "Add lan with its interface and address.")


def serves_no_lan(site: Site) -> Iterator[Fault]:
    """A LAN that nobody would serve."""
    if site.school.lan is not None and not LAN_SERVICES[site.school.scenario]:
        message = f"means nothing in scenario {site.school.scenario}, which serves no LAN"
        yield site.fault("lan", message, "Delete it, or choose scenario online-server.", at_key=True)


def service_not_offered(site: Site) -> Iterator[Fault]:
    """Settings for a service that does not run here."""
    scenario = site.school.scenario
    for service in sorted(site.school.services.model_fields_set & _ANY_LAN):
        if service not in LAN_SERVICES[scenario]:
            why = f"scenario {scenario} does not offer it"
        elif site.school.lan is None:
            why = "there is no lan to offer it on"
        else:
            continue
        written = getattr(site.school.services, service)
        # Switching off what is not there is true, if needless.
        for key in sorted(written.model_fields_set):
            if key != "enabled" or written.enabled:
                yield site.fault(f"services.{service}.{key}", f"means nothing here: {why}", "Delete it.", at_key=True)


def gateway_has_uplink(site: Site) -> Iterator[Fault]:
    """Laptops reach the Internet through a known interface."""
    school = site.school
    offered = "gateway" in LAN_SERVICES[school.scenario] and school.lan is not None
    if offered and school.uplink is None and _enabled(site, "gateway"):
        message = "is missing: the gateway needs to know the way to the Internet"
        yield site.fault("uplink", message, "Add uplink.interface, or set services.gateway.enabled: false.")


def gateway_has_firewall(site: Site) -> Iterator[Fault]:
    """The firewall's rules are what leads laptops to the Internet."""
    offered = "gateway" in LAN_SERVICES[site.school.scenario] and site.school.lan is not None
    if offered and _enabled(site, "gateway") and not _enabled(site, "firewall"):
        message = "is false, but the gateway is a part of the firewall"
        remedy = "Leave the firewall on, or set services.gateway.enabled: false as well."
        yield site.fault("services.firewall.enabled", message, remedy)


def port_is_free_for_backups(site: Site) -> Iterator[Fault]:
    """One port cannot lead laptops in the field to the backups and the administrator to the server."""
    lan = site.school.lan if LAN_SERVICES[site.school.scenario] else None
    if not _setting(site, "backup", "port_22") or lan is None or not _enabled(site, "backup"):
        return
    if not _enabled(site, "firewall"):
        message = "is true, but it is the firewall that leads that port to the backups"
        yield site.fault("services.backup.port_22", message, "Leave the firewall on, or delete it.")
    if keeps_backups_from_port(site.deployment, site.school, lan):
        message = "is true, but port 22 of the LAN is where the administrator comes in"
        remedy = (
            "Have sshd listen at another port as well (overrides/sshd) and write that as server.port, or delete it."
        )
        yield site.fault("services.backup.port_22", message, remedy)


def listed_laptops_are_listed(site: Site) -> Iterator[Fault]:
    """Where only listed laptops may register, some are listed."""
    wanted = _enabled(site, "registration") and _setting(site, "registration", "who") == "listed"
    if wanted and site.school.laptops is None:
        message = "is missing: only listed laptops may register here"
        remedy = "Name a CSV of the school's laptops, or set services.registration.who: anyone."
        yield site.fault("laptops", message, remedy)


def upstream_is_reachable(site: Site) -> Iterator[Fault]:
    """Servers on the Internet that this one will never ask."""
    school = site.school
    if school.scenario not in _ISOLATED or school.lan is None:
        return
    for service in ("dns", "ntp"):
        section = getattr(school.services, service)
        if service not in school.services.model_fields_set or not section.upstream or not _enabled(site, service):
            continue
        if service == "ntp" and school.scenario is Scenario.PEER_SERVER:
            why, remedy = f"in scenario {school.scenario} the clock is the server's own", "Delete it."
        elif school.uplink is None:
            why, remedy = "there is no uplink to reach them by", "Delete it, or describe the uplink."
        else:
            continue
        yield site.fault(f"services.{service}.upstream", f"means nothing here: {why}", remedy, at_key=True)


def _enabled(site: Site, service: str) -> bool:
    return bool(_setting(site, service, "enabled"))


def _setting(site: Site, service: str, key: str) -> object:
    """A service's setting in force: the school's own if it is written there, else the deployment's."""
    written = getattr(site.school.services, service)
    if service in site.school.services.model_fields_set and key in written.model_fields_set:
        return getattr(written, key)
    return getattr(getattr(site.deployment.services, service), key)


def master_has_no_master(site: Site) -> Iterator[Fault]:
    """A master synchronises with nobody."""
    if site.school.role is Role.MASTER and site.school.master is not None:
        yield site.fault("master", "a master has no master", "Delete it, or set role: node.", at_key=True)


def master_is_a_master(site: Site) -> Iterator[Fault]:
    """The master that a node names is there, and is one."""
    name = site.school.master
    if name is None or site.school.role is Role.MASTER:
        return
    if name not in site.roles:
        if not site.complete:
            return
        listed = f"The masters: {', '.join(site.masters[:5])}." if site.masters else "Give one school role: master."
        remedy = did_you_mean(name, site.masters) or listed
        yield site.fault("master", f"there is no school {quoted(name)}", remedy)
    elif site.roles[name] is Role.NODE:
        listed = f"name a master: {', '.join(site.masters[:5])}" if site.masters else "name a master"
        yield site.fault("master", f"{quoted(name)} is a node itself", f"Give it role: master, or {listed}.")


def node_has_a_master(site: Site) -> Iterator[Fault]:
    """A node of a school server knows whom it synchronises with, and so does a peer that is called a node."""
    school = site.school
    needs = school.scenario in _NEEDS_MASTER
    if school.role is Role.MASTER or school.master is not None:
        return
    if not needs and "role" not in school.model_fields_set:
        return
    if not site.masters and site.complete and None not in site.roles.values():
        message = "is missing: a node needs a master, and there is none"
        alone = "" if needs else ", or delete this one's role: a peer may serve alone"
        yield site.fault("master", message, f"Give one school role: master{alone}.")
    elif len(site.masters) > 1:
        some = ", ".join(site.masters[:5]) + (" …" if len(site.masters) > 5 else "")
        yield site.fault("master", f"is missing: there is more than one: {some}", "Name this node's master.")


SCHOOL_RULES: tuple[Rule, ...] = (
    Rule(needs_lan, ("scenario", "role", "lan")),
    Rule(serves_no_lan, ("scenario", "lan")),
    Rule(service_not_offered, ("scenario", "lan", "services")),
    Rule(gateway_has_uplink, ("scenario", "lan", "uplink", "services.gateway")),
    Rule(gateway_has_firewall, ("scenario", "lan", "services.gateway", "services.firewall")),
    Rule(
        port_is_free_for_backups,
        ("scenario", "server", "lan", "uplink", "services.backup", "services.ssh", "services.firewall"),
    ),
    Rule(listed_laptops_are_listed, ("laptops", "services.registration")),
    Rule(upstream_is_reachable, ("scenario", "lan", "uplink", "services")),
    Rule(master_has_no_master, ("role", "master")),
    Rule(master_is_a_master, ("role", "master")),
    Rule(node_has_a_master, ("scenario", "role", "master")),
)


def service_nowhere_offered(deployment: Deployment) -> Iterator[Fault]:
    """A service explicitly switched on for all schools, of which none has it."""
    offered = {
        service
        for school in deployment.schools.values()
        if school.lan is not None
        for service in LAN_SERVICES[school.scenario]
    }
    for service in sorted(deployment.services.model_fields_set & _ANY_LAN - offered):
        written = getattr(deployment.services, service)
        if deployment.schools and written.enabled and "enabled" in written.model_fields_set:
            message = "no school's scenario offers it on a lan"
            yield Fault(("services", service, "enabled"), message, "Delete it, or set it to false.", at_key=True)


def images_have_models(deployment: Deployment) -> Iterator[Fault]:
    """What is said of a model that there is no image of, or of a release that does not run on it."""
    known, images = model_names(), deployment.images
    named: list[tuple[Path, str]] = [(("images", "models", at), model) for at, model in enumerate(images.models)]
    named += [(("images", key, model), model) for key in ("suites", "kernels") for model in getattr(images, key)]
    for path, model in named:
        if model not in known:
            remedy = did_you_mean(model, known) or f"Known are {', '.join(known)}."
            yield Fault(path, f"{quoted(model)} is no model", remedy, at_key=path[1] != "models")
    for model, suite in images.suites.items():
        if model in known and suite not in (offered := model_suites(model)):
            yield Fault(
                ("images", "suites", model), f"no images of {suite} are made", f"Choose of: {', '.join(offered)}."
            )


def images_have_settings(deployment: Deployment) -> Iterator[Fault]:
    """A scenario for images whose packages of settings are not made, as no school is of it."""
    images = deployment.images
    used = {school.scenario for school in deployment.schools.values()}
    if images.scenario and images.scenario not in used:
        remedy = f"Schools are of: {', '.join(sorted(used))}." if used else "Describe a school of it first."
        message = "no school is of this scenario, so that there are no settings for its laptops"
        yield Fault(("images", "scenario"), message, remedy)
    if images.server and Scenario.PEER_SERVER not in used:
        message = "no school is of the scenario peer-server, so that there are no settings for a laptop that serves"
        yield Fault(("images", "server"), message, "Describe a school of it first, or delete this.")
