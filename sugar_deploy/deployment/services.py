"""A school's services: the deployment's settings, with the keys that the school wrote laid over them."""

from __future__ import annotations

from typing import Any

from sugar_deploy.deployment.model import Deployment, School
from sugar_deploy.deployment.section import Section
from sugar_deploy.deployment.service_settings import Services


def effective_services(deployment: Deployment, school: School) -> Services:
    """The settings in force at a school, service by service and key by key."""
    written = school.services.model_fields_set
    if not written:
        return deployment.services
    merged = {name: effective_section(deployment, school, name) for name in written}
    return deployment.services.model_copy(update=merged)


def effective_section(deployment: Deployment, school: School, name: str) -> Any:
    """The settings in force of one service only."""
    base = getattr(deployment.services, name)
    return _over(base, getattr(school.services, name)) if name in school.services.model_fields_set else base


def _over(base: Section, override: Section) -> Section:
    keys: dict[str, Any] = {key: getattr(override, key) for key in override.model_fields_set}
    return base.model_copy(update=keys) if keys else base
