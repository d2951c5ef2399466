"""What a project holds for schools that lock their laptops, and what keeps it from being made."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from tests.unit.render.golden import CASES, render_case

CASE = next(case for case in CASES if case.name == "locked-laptops")


@pytest.fixture
def case(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CASE, tmp_path / "case", ignore=shutil.ignore_patterns("expected")))


def test_without_a_lease_key_nothing_is_rendered(case: Path, tmp_path: Path) -> None:
    shutil.rmtree(case / "keys")
    with pytest.raises(UsageError, match="runs at lima, but there is no lease key"):
        render_case(case, tmp_path / "out")
    (case / "keys").mkdir()
    (case / "keys" / "lease-1.public").write_bytes(b"\x30\x82")
    with pytest.raises(UsageError, match="the key has 2 bytes"):
        render_case(case, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_no_private_key_and_nothing_of_another_school_travels(case: Path, tmp_path: Path) -> None:
    (case / "keys" / "lease-1.pem").write_text("secret")
    (case / "leases" / "ica").mkdir()
    (case / "leases" / "ica" / "leases.sig").write_text("act01:")
    render_case(case, tmp_path / "out")
    brought = sorted(str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out" / "files").rglob("*.*"))
    assert brought == ["files/antitheft/lima/d-lease.sig", "files/antitheft/stolen.list"]
    assert not list((tmp_path / "out").rglob("*.pem"))
