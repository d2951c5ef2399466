"""A school's overrides over the deployment's services."""

from __future__ import annotations

from typing import Any

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.deployment.services import effective_services


def deployment(services: dict[str, Any], overrides: dict[str, Any]) -> Deployment:
    school = {"scenario": "online-peers", "server": {"address": "sugar.example.org"}, "services": overrides}
    return Deployment.model_validate(
        {"version": 1, "name": "lima", "title": "Lima", "services": services, "schools": {"lima": school}}
    )


def test_only_the_written_keys_override() -> None:
    described = deployment(
        {"registration": {"known_serial": "hold", "who": "listed"}, "ntp": {"enabled": False}},
        {"registration": {"who": "anyone"}, "presence": {"enabled": False}},
    )
    settings = effective_services(described, described.schools["lima"])
    assert settings.registration.known_serial == "hold"
    assert settings.registration.who == "anyone"
    assert settings.presence.enabled is False
    assert settings.presence.max_stanza_kib == 512
    assert settings.ntp.enabled is False


def test_a_default_that_is_written_overrides() -> None:
    described = deployment({"upgrades": {"reboot": True}}, {"upgrades": {"reboot": False}})
    assert effective_services(described, described.schools["lima"]).upgrades.reboot is False


def test_nothing_written_changes_nothing() -> None:
    described = deployment({"ssh": {"from_lan": True}}, {"dns": {}})
    assert effective_services(described, described.schools["lima"]) == described.services
