"""The packages of the roles, from the roles."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sugar_deploy.errors import DeployError
from sugar_deploy.resources import resource
from sugar_deploy.scenario.catalogue import package_catalogue, read_catalogue
from sugar_deploy.scenario.variables import PHASES


def write(roles: Path, role: str, text: str) -> None:
    folder = roles / role / "vars"
    folder.mkdir(parents=True)
    (folder / "main.yml").write_text(text)


def test_reads_lists_and_what_variables_add(tmp_path: Path) -> None:
    write(tmp_path, "lan", "lan__packages: [dnsmasq]\nlan__wireless_packages: [iw]\nlan__other_packages: [vi]\n")
    write(tmp_path, "sshd", "")
    found = read_catalogue(tmp_path)
    assert found["lan"].always == ("dnsmasq",)
    assert found["lan"].where_set == {"wireless": ("iw",)}
    assert found["sshd"].always == found["time"].always == ()


def test_a_broken_list_is_told(tmp_path: Path) -> None:
    write(tmp_path, "lan", "lan__packages: [")
    with pytest.raises(DeployError, match=r"lan/vars/main\.yml"):
        read_catalogue(tmp_path)


@pytest.mark.parametrize("role", [phase.role for phase in PHASES])
def test_every_list_of_a_role_is_known(role: str) -> None:
    """A list under another name would be installed, but missing from the offline bundle."""
    path = resource("roles") / role / "vars" / "main.yml"
    variables = yaml.safe_load(path.read_text()) or {}
    listed = {name for name in variables if name.endswith("_packages")}
    known = {f"{role}__packages"} | {f"{role}__{name}_packages" for name in package_catalogue()[role].where_set}
    assert listed <= known
    assert f"{role}__packages" in variables
