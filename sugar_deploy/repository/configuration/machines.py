"""The packages for every machine and for servers, from a plan. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from sugar_deploy.deployment.model import Scenario
from sugar_deploy.repository.client_settings import scenarios
from sugar_deploy.repository.configuration.package import Package
from sugar_deploy.repository.configuration.templates import template
from sugar_deploy.scenario.plan import Plan

_SCRIPTS = ("postinst", "prerm", "postrm")


def repository_name(name: str) -> str:
    """The package that every other one depends on."""
    return f"{name}-repository"


def repository(plan: Plan, keys_asc: str, certificates: Mapping[str, str]) -> Package:
    """Key, source, upgrades and certificates: whom a machine trusts and where its packages come from."""
    deployment = plan.deployment
    name, url = deployment.name, deployment.repository.url
    package = repository_name(name)
    files = {
        f"usr/share/keyrings/{name}-archive-keyring.asc": keys_asc,
        f"etc/apt/apt.conf.d/51-{name}-upgrades": template("upgrades.conf", name=name),
    }
    if url:
        source = template("repository.sources", name=name, url=url)
        files[f"usr/share/{package}/{name}.sources"] = source
    for file, text in certificates.items():
        # In /etc/ssl/certs all certificates of a machine lie in one folder: the name tells ours from others.
        files[f"usr/share/ca-certificates/{name}/{name}-{file}"] = text
    secure = bool(certificates) or (url or "").startswith("https:")
    suites = " ".join(deployment.repository.suites)
    return Package(
        name=package,
        summary=f"package repository of {_short(deployment.title)}",
        description=(
            f"Lets this machine take packages from the repository of {deployment.title}: its key, its address where "
            "it has one on the web, and, where this machine upgrades itself, upgrades from there.",
            "The deployment's own certificates, if it has any, are trusted.",
        ),
        depends=("ca-certificates",) if secure else (),
        files=files,
        scripts={script: template(f"repository.{script}", name=name, suites=suites) for script in _SCRIPTS},
    )


def server_config(plan: Plan) -> Package:
    """What all servers of the deployment have in common."""
    deployment = plan.deployment
    registration, statistics = deployment.services.registration, deployment.services.statistics
    text = template(
        "server.conf",
        title=_line(deployment.title),
        enabled="yes" if registration.enabled else "no",
        known_serial=registration.known_serial,
        who=registration.who,
    )
    if registration.who == "listed":
        text += "laptops = /etc/sugar-server/laptops.csv\n"
    # Also a server that nobody applies anything to keeps to what children's families were told.
    wanted = "yes" if statistics.enabled else "no"
    text += f"\n[statistics]\nenabled = {wanted}\nkeep_days = {statistics.keep_days}\n"
    return Package(
        name=f"{deployment.name}-server-config",
        summary=f"settings of the school servers of {_short(deployment.title)}",
        description=(
            f"What all school servers of {deployment.title} have in common: the deployment's repository with its "
            "key, how laptops are registered, and whether they are asked for statistics. It supplements the settings "
            "of other packages and changes none of their files; what is set on the server itself overrides it.",
        ),
        depends=(repository_name(deployment.name),),
        # An older daemon knows no statistics, and refuses settings that it does not know.
        relations={"Breaks": "sugar-server (<< 0.2.0)"},
        files={f"usr/lib/sugar-server/conf.d/50-{deployment.name}.conf": text},
    )


def servers(plan: Plan) -> tuple[Package, ...]:
    """For each scenario in use, the metapackage of its servers."""
    return tuple(_server(plan, scenario) for scenario in scenarios(plan))


def _server(plan: Plan, scenario: Scenario) -> Package:
    name, title = plan.deployment.name, plan.deployment.title
    needed = {package for host in plan.hosts if host.school.scenario is scenario for package in host.packages}
    return Package(
        name=f"{name}-{scenario}",
        summary=f"school server of {_short(title)}: {scenario}",
        description=(
            f"Pulls in what a server of {title} consists of in the scenario {scenario}, with the settings that all "
            "of its servers have in common.",
            "Its own name, networks and services are set by sugar-deploy, or by hand.",
        ),
        section="metapackages",
        depends=tuple(sorted({f"{name}-server-config", *needed})),
    )


def _line(text: str) -> str:
    return " ".join(text.split())


def _short(title: str) -> str:
    """A title that fits into the one line of a package's summary."""
    line = _line(title)
    return line if len(line) <= 40 else line[:39].rstrip() + "…"
