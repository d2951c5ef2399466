"""The packages for laptops on Debian, from a plan. Pure; what they say is computed in client_settings."""

from __future__ import annotations

from sugar_deploy.repository.client_settings import ClientSettings, client_settings, kinds, main_scenario
from sugar_deploy.repository.configuration.machines import repository_name
from sugar_deploy.repository.configuration.package import Package
from sugar_deploy.repository.configuration.templates import template
from sugar_deploy.scenario.plan import Plan

_SCHEMAS = "usr/share/glib-2.0/schemas"


def client_config(plan: Plan) -> Package:
    """What all laptops of the deployment have in common: the settings of most schools' scenario."""
    name, title = plan.deployment.name, plan.deployment.title
    main = main_scenario(plan)
    override = _override(plan, client_settings(plan, main)) if main else None
    return Package(
        name=f"{name}-client-config",
        summary="Sugar's settings for a laptop of this deployment",
        description=(
            f"Sugar's settings for laptops of {title}: the server of registration and presence, and where activities "
            "are updated from; and the deployment's repository with its key. They are defaults: what somebody has "
            "set in Sugar stays as it is.",
            f"They are those of most of its schools. A package {name}-…-client sets those of one kind of school.",
        ),
        depends=(repository_name(name),),
        files={f"{_SCHEMAS}/50_{name}.gschema.override": override} if override else {},
    )


def clients(plan: Plan) -> tuple[Package, ...]:
    """For each scenario in use the metapackage of its laptops; one for each master where there are several."""
    return tuple(_client(plan, kind, settings) for kind, settings in kinds(plan).items())


def _client(plan: Plan, kind: str, settings: ClientSettings) -> Package:
    name, title = plan.deployment.name, plan.deployment.title
    virtual = f"{name}-client"
    return Package(
        name=f"{name}-{kind}-client",
        summary=f"Sugar laptop of this deployment: {kind}",
        description=(
            f"Makes a laptop with Sugar one of {title} in the scenario {settings.scenario}: it registers with "
            f"{settings.server}, and meets others there.",
            "A laptop has one package of this kind; another one takes its place.",
        ),
        section="metapackages",
        depends=(f"{name}-client-config",),
        recommends=("sucrose", "sugar-client"),
        relations={"Provides": virtual, "Conflicts": virtual, "Replaces": virtual},
        files={f"{_SCHEMAS}/60_{name}-{kind}.gschema.override": _override(plan, settings)},
    )


def _override(plan: Plan, settings: ClientSettings) -> str:
    """A GSettings override file, whose values are in the notation of GVariant."""
    return template(
        "settings.override",
        title=" ".join(plan.deployment.title.split()),
        server=_text(settings.server),
        update_backend=_text(settings.update_backend),
        update_url=_text(settings.update_url),
    )


def _text(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
