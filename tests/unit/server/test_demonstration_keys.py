"""The keys for demonstrations, from the deployment's folder to the school server and the laptop, and their end."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from olpc_security import issue
from olpc_security.laptop import Laptop
from olpc_security.rules import Refusal
from olpc_security.trust import TrustedKeys
from sugar_server.antitheft.imports import read_leases
from sugar_server.antitheft.trusted import read_keys

from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.keys.laptop.keyset import KeySet
from tests.unit.olpc_security import model
from tests.unit.render.golden import CASES, render_case

NOW = 1795700000  # November 2026
UNTIL = "20271126T000000Z"
LAPTOP = Laptop("SHC12345678", "0AB12C3D-1234-5678-9ABC-DEF012345678")


def keys_at_school(case: Path, out: Path) -> TrustedKeys:
    """What the school's server trusts, from the file that the project brings it."""
    render_case(case, out)
    return read_keys(out / "files/antitheft/lease-keys")


def test_a_demonstration_has_keys_that_no_other_deployment_takes(tmp_path: Path) -> None:
    folder = next(one for one in CASES if one.name == "locked-laptops")
    case = Path(shutil.copytree(folder, tmp_path / "case", ignore=shutil.ignore_patterns("expected")))
    words = "correct horse battery staple"
    demo = KeySet(Folder(case), "costa", demo=True)
    demo.create(["lease"], words, NOW, 1)
    key = demo.signer("lease", words, NOW)
    leases = issue.lease(key, LAPTOP, UNTIL, NOW).line.encode()
    production = keys_at_school(case, tmp_path / "production")
    with pytest.raises(Refusal, match="trusted-key"):
        read_leases(leases, production, lambda _: LAPTOP, NOW)
    file = case / "deployment.yml"
    plain = file.read_text()
    file.write_text(plain.replace("version: 1\n", "version: 1\ndemonstration: true\n"))
    trusted = keys_at_school(case, tmp_path / "demonstration")
    assert [kept.serial for kept in read_leases(leases, trusted, lambda _: LAPTOP, NOW)] == [LAPTOP.serial]
    asked = (leases, b"act01:", LAPTOP.serial.encode(), LAPTOP.uuid.encode())
    assert model.scan(*asked, [one.der for one in trusted.keys], NOW) == model.VALID
    assert model.scan(*asked, [one.der for one in production.keys], NOW) == model.NONE
    # However the demonstration's keys come to where a deployment's own ones belong.
    file.write_text(plain)
    shutil.copy(demo.path / "lease-1.public", case / "keys" / "lease-3.public")
    with pytest.raises(UsageError, match="are for demonstrations and protect nothing"):
        render_case(case, tmp_path / "out")
    shutil.rmtree(case / "keys")
    demo.path.rename(case / "keys")
    with pytest.raises(UsageError, match="are for demonstrations and protect nothing"):
        render_case(case, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    file.write_text(plain.replace("version: 1\n", "version: 1\ndemonstration: true\n"))
    with pytest.raises(UsageError, match="keys create --demo"):
        render_case(case, tmp_path / "out")
