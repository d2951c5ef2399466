"""Each golden case against its expected files, and against facts written by hand, as Ansible itself reads them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from sugar_deploy.deployment.load import load
from sugar_deploy.folder import Folder
from sugar_deploy.resources import resource
from sugar_deploy.scenario.resolve import resolve
from tests.unit.render.golden import CASES, added, files, render_case

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module", params=CASES, ids=lambda case: case.name)
def rendered(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A case and its rendered project."""
    out = tmp_path_factory.mktemp(request.param.name) / "project"
    render_case(request.param, out)
    return request.param, out


def ansible(program: str, *arguments: str | Path, cwd: Path | str = "/", **environment: str) -> str:
    """Standard output of one of Ansible's programs, which must succeed without a warning."""
    done = subprocess.run(
        [BIN / program, *arguments],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "LC_ALL": "C.UTF-8", **environment},
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert "WARNING" not in done.stderr
    return done.stdout


def _untagged(value: dict[str, Any]) -> Any:
    return value.get("__ansible_unsafe", value)


@pytest.fixture(scope="module")
def listed(rendered: tuple[Path, Path]) -> dict[str, Any]:
    """The project's inventory as Ansible lists it."""
    inventory: dict[str, Any] = json.loads(
        ansible("ansible-inventory", "-i", rendered[1] / "inventory", "--list"), object_hook=_untagged
    )
    return inventory


def test_the_cases_cover_every_scenario_and_a_mixture() -> None:
    kinds = {case.name: {school.scenario.value for school in load(Folder(case)).schools.values()} for case in CASES}
    scenarios = {"online-peers", "online-server", "offline-server", "peer-server"}
    assert all(kinds[scenario] == {scenario} for scenario in scenarios)
    assert kinds["mixture"] == scenarios
    assert len(load(Folder(next(case for case in CASES if case.name == "mixture"))).schools) == 12


def test_adds_exactly_the_expected_files(rendered: tuple[Path, Path]) -> None:
    case, out = rendered
    expected, got = files(case / "expected"), added(out)
    assert sorted(got) == sorted(expected)
    for name, data in expected.items():
        assert got[name].decode() == data.decode(), name


def test_ansible_reads_the_facts(rendered: tuple[Path, Path], listed: dict[str, Any]) -> None:
    case, _ = rendered
    facts: dict[str, dict[str, Any]] = yaml.safe_load((case / "facts.yml").read_text(encoding="utf-8"))
    hosts = listed["_meta"]["hostvars"]
    for school, variables in facts.items():
        seen = {name: hosts[school].get(name, "(none)") for name in variables}
        assert seen == variables, school


def test_every_host_has_every_variable_of_every_role(rendered: tuple[Path, Path], listed: dict[str, Any]) -> None:
    case, _ = rendered
    hosts = listed["_meta"]["hostvars"]
    plan = resolve(load(Folder(case)))
    assert {host.name for host in plan.hosts} == set(hosts)
    for host in plan.hosts:
        wanted = {
            f"{role.role}__{name}": value
            for role in host.variables
            for name, value in role.model_dump(mode="json").items()
        }
        assert {name: hosts[host.name][name] for name in wanted} == wanted


def test_groups_hold_the_plans_hosts(rendered: tuple[Path, Path], listed: dict[str, Any]) -> None:
    case, _ = rendered

    def members(group: str) -> set[str]:
        entry = listed.get(group, {})
        return set(entry.get("hosts", ())).union(*(members(child) for child in entry.get("children", ())))

    plan = resolve(load(Folder(case)))
    for group in {group for host in plan.hosts for group in host.groups}:
        assert members(group) == {host.name for host in plan.hosts if group in host.groups}, group


def test_roles_collections_and_playbooks_are_copies(rendered: tuple[Path, Path]) -> None:
    _, out = rendered
    for room, target in (("roles", out / "roles"), ("collections", out / "collections"), ("playbooks", out)):
        source = resource(room)
        tracked = subprocess.run(
            ["git", "ls-files", "--cached", "-z", "."], cwd=source, capture_output=True, text=True, check=True
        ).stdout.split("\0")
        present = [name for name in tracked if name and (source / name).is_file()]
        assert len(present) > 1
        for name in present:
            assert (target / name).read_bytes() == (source / name).read_bytes(), name
    names = {part for path in out.rglob("*") for part in path.relative_to(out).parts}
    assert not names & {"__pycache__", "molecule", "tests"}


def test_only_the_owner_may_read(rendered: tuple[Path, Path]) -> None:
    _, out = rendered
    assert out.stat().st_mode & 0o7777 == 0o700
    for path in out.rglob("*"):
        mode = path.stat().st_mode & 0o7777
        assert mode == 0o700 if path.is_dir() else mode in {0o600, 0o700}, path


def test_one_host_alone(rendered: tuple[Path, Path], listed: dict[str, Any]) -> None:
    case, out = rendered
    name = sorted(load(Folder(case)).schools)[-1]
    alone = json.loads(ansible("ansible-inventory", "-i", out / "inventory", "--host", name))
    assert alone == listed["_meta"]["hostvars"][name]


def test_ansible_takes_the_playbook_from_anywhere(rendered: tuple[Path, Path]) -> None:
    case, out = rendered
    name = sorted(load(Folder(case)).schools)[0]
    arguments = ("-i", out / "inventory", out / "site.yml", "--list-hosts", "--limit", name)
    output = ansible("ansible-playbook", *arguments, ANSIBLE_CONFIG=str(out / "ansible.cfg"))
    assert "hosts (1)" in output and output.rstrip().endswith(name)


def test_ansible_takes_the_playbook_from_inside(tmp_path: Path) -> None:
    out = tmp_path / "project"
    render_case(next(case for case in CASES if case.name == "mixture"), out)
    ansible("ansible-playbook", "site.yml", "--syntax-check", cwd=out)
    assert "hosts (12)" in ansible("ansible-playbook", "site.yml", "--list-hosts", cwd=out)
    assert "hosts (3)" in ansible("ansible-playbook", "site.yml", "--list-hosts", "--limit", "puna-*", cwd=out)
