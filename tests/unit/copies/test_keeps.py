"""Both playbooks save and restore what every role keeps, and nothing that no role names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from sugar_deploy.resources import resource
from sugar_deploy.scenario.catalogue import what_roles_keep
from sugar_deploy.scenario.variables import PHASES


def variables(role: str) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load((resource("roles") / role / "vars" / "main.yml").read_text()) or {}
    return found


@pytest.mark.parametrize("playbook", ["backup.yml", "restore.yml"])
def test_every_role_that_keeps_something_is_read(playbook: str) -> None:
    keepers = {phase.role for phase in PHASES if f"{phase.role}__keeps" in variables(phase.role)}
    assert keepers
    play = yaml.safe_load((resource("playbooks") / playbook).read_text())[0]
    read = {Path(each).parts[1] for each in play["vars_files"] if isinstance(each, str)}
    text = (resource("playbooks") / playbook).read_text()
    assert read == keepers
    assert set(re.findall(r"(\w+)__keeps", text)) == keepers


def test_bulk_is_apart_from_what_an_upgrade_copies() -> None:
    """A restore point of all Journals would need the disk twice."""
    bulk = variables("sugar_server")["sugar_server__keeps"]["bulk"]  # type: ignore[index]
    assert bulk == ["/var/lib/sugar-backup", "/var/lib/sugar-library"]
    assert not set(bulk) & set(what_roles_keep().paths)
