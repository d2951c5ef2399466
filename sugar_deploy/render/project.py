"""Plan → a self-contained Ansible project, which plain `ansible-playbook` can run too."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from sugar_deploy.garbage import collector_paused
from sugar_deploy.render import sources
from sugar_deploy.render.ansible_cfg import ansible_cfg
from sugar_deploy.render.authority import copy_authority
from sugar_deploy.render.carried import link_repository
from sugar_deploy.render.draft import Draft, program_file
from sugar_deploy.render.inventory import inventory
from sugar_deploy.render.leases import copy_leases
from sugar_deploy.render.swap import replacing
from sugar_deploy.render.variables import OURS, common_variables, dump, host_variables
from sugar_deploy.resources import resource
from sugar_deploy.scenario.plan import Plan

MARKER = ".sugar-deploy-project"
"""Tells a rendered project, which may be replaced, from a folder of the deployer's own."""

_MARKER_TEXT = "Written by `sugar-deploy render`, which replaces this whole folder. Keep nothing of yours in it.\n"


@dataclass(frozen=True, slots=True)
class Rendered:
    """What a rendering has made."""

    out: Path
    hosts: int
    left_out: tuple[str, ...]
    """Files in overrides/ that no service takes: their names do not end in .conf."""


def render(plan: Plan, folder: Folder, out: Path) -> Rendered:
    """Write the project of a plan to OUT, replacing the project that was there; same input, same bytes.

    OUT is for its owner only: it names schools, servers and children.
    """
    try:
        with replacing(out, MARKER) as (root, previous), collector_paused():
            draft = Draft(root, previous)
            draft.text(MARKER, _MARKER_TEXT)
            _write_program(draft)
            _write_inventory(plan, draft)
            left_out = sources.copy_overrides(folder, draft)
            sources.copy_keys(folder, draft)
            sources.copy_secrets(folder, draft)
            copy_leases(plan, folder, draft)
            copy_authority(plan, folder, draft)
            link_repository(folder, draft)
            for host in plan.hosts:
                sources.write_laptops(folder, host.name, host.school, draft)
    except OSError as error:
        place = f": {error.filename}" if error.filename else ""
        raise DeployError(
            f"cannot render into {out}: {error.strerror or error}{place}",
            "Nothing was changed; make room or mend the permissions, and render again",
        ) from error
    return Rendered(out, len(plan.hosts), left_out)


def _write_program(draft: Draft) -> None:
    draft.text("ansible.cfg", ansible_cfg())
    draft.copy_tree(resource("playbooks"), "", program_file)
    for room in ("roles", "collections"):
        draft.folder(room)
        draft.copy_tree(resource(room), room, program_file)


def _write_inventory(plan: Plan, draft: Draft) -> None:
    common = common_variables(plan.deployment)
    draft.text("inventory/hosts.ini", inventory(plan.hosts))
    draft.text("inventory/group_vars/all.json", dump(common, own=OURS))
    draft.folder("inventory/host_vars")
    for host in plan.hosts:
        draft.write(f"inventory/host_vars/{host.name}.json", dump(host_variables(host, common)).encode())
