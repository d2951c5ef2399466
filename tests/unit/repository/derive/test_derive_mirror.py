"""Which mirror Debian comes from: the deployment's, else this machine's, else Debian's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from sugar_deploy.deployment.model import Repository
from sugar_deploy.repository.derive.mirror import DEBIAN, DEBIAN_SECURITY, Mirror, debian_mirror


@pytest.fixture(autouse=True)
def _no_override(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUGAR_DEPLOY_DEBIAN_MIRROR", raising=False)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list").write_text(
        "deb http://near.example/debian bookworm main\ndeb http://near.example/security bookworm-security main\n"
    )
    return tmp_path


def test_the_machines_own_mirror_is_the_nearest(machine: Path) -> None:
    assert debian_mirror(Repository(), machine) == Mirror(
        "http://near.example/debian", "http://near.example/security"
    )


def test_the_deployments_mirrors_come_first(machine: Path) -> None:
    chosen = Repository(mirror="http://a.example/debian", security_mirror="http://b.example/security")
    assert debian_mirror(chosen, machine) == Mirror("http://a.example/debian", "http://b.example/security")


def test_a_deployment_may_do_without_security_updates(machine: Path) -> None:
    chosen = debian_mirror(Repository(security_mirror="none"), machine)
    assert chosen == Mirror("http://near.example/debian", None)
    assert chosen.sources("bookworm") == (
        "deb http://near.example/debian bookworm main",
        "deb http://near.example/debian bookworm-updates main",
    )


def test_a_machine_that_is_no_debian_asks_debian(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text("deb http://archive.ubuntu.com/ubuntu noble main\n")
    (tmp_path / "sources.list.d").mkdir()
    assert debian_mirror(Repository(), tmp_path) == Mirror(DEBIAN, DEBIAN_SECURITY)


def test_there_are_always_security_updates(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUGAR_DEPLOY_DEBIAN_MIRROR", "http://c.example/debian/")
    assert debian_mirror(Repository(), machine) == Mirror("http://c.example/debian", DEBIAN_SECURITY)
    lines = debian_mirror(Repository(), machine).sources("trixie")
    assert f"deb {DEBIAN_SECURITY} trixie-security main" in lines
