"""The mirror is read from the machine's own APT sources."""

from __future__ import annotations

from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.lab.mirror import Mirror, read_mirror


@pytest.fixture(autouse=True)
def _no_override(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SUGAR_DEPLOY_DEBIAN_MIRROR", raising=False)


def apt(folder: Path, **files: str) -> Path:
    (folder / "sources.list.d").mkdir()
    for name, text in files.items():
        base, _, kind = name.rpartition("_")
        where = folder / "sources.list" if base == "main" else folder / "sources.list.d" / f"{base}.{kind}"
        where.write_text(text)
    return folder


def test_deb822_sources_with_other_repositories_beside_them(tmp_path: Path) -> None:
    debian = """Types: deb
# URIs: http://commented.example/debian
URIs: http://mirror.example/debian/
Suites: bookworm bookworm-updates
Components: main

Types: deb
URIs: http://mirror.example/security
Suites: bookworm-security
Components: main
"""
    other = "Types: deb\nURIs: https://other.example/node\nSuites: nodistro\nComponents: main\n"
    found = read_mirror(apt(tmp_path, debian_sources=debian, node_sources=other))
    assert found == Mirror("http://mirror.example/debian", "http://mirror.example/security")


def test_one_line_sources(tmp_path: Path) -> None:
    text = """# deb http://commented.example/debian trixie main
deb-src http://source.example/debian trixie main
deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] http://near.example/debian trixie main contrib
deb http://near.example/security trixie-security main
deb https://packages.example/apt cloud-sdk-bookworm main
"""
    assert read_mirror(apt(tmp_path, main_list=text)) == Mirror(
        "http://near.example/debian", "http://near.example/security"
    )


def test_a_source_that_is_switched_off_is_not_used(tmp_path: Path) -> None:
    text = (
        "Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: trixie\n\n"
        "Types: deb\nURIs: http://on.example/debian\nSuites: trixie\n"
    )
    assert read_mirror(apt(tmp_path, debian_sources=text)) == Mirror("http://on.example/debian", None)


def test_values_may_go_on_in_the_next_line(tmp_path: Path) -> None:
    text = "Types: deb\nURIs:\n http://long.example/debian\nSuites:\n trixie\n trixie-updates\nComponents: main\n"
    assert read_mirror(apt(tmp_path, debian_sources=text)).main == "http://long.example/debian"


def test_no_mirror_is_an_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="SUGAR_DEPLOY_DEBIAN_MIRROR"):
        read_mirror(apt(tmp_path, main_list="deb file:/media/cdrom trixie main\n"))


def test_the_override_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUGAR_DEPLOY_DEBIAN_MIRROR", "http://mine.example/debian/")
    assert read_mirror(apt(tmp_path)) == Mirror("http://mine.example/debian", None)


def test_the_suite_of_the_machine_does_not_matter() -> None:
    mirror = Mirror("http://near.example/debian", "http://near.example/security")
    assert mirror.sources("trixie") == (
        "deb http://near.example/debian trixie main",
        "deb http://near.example/debian trixie-updates main",
        "deb http://near.example/security trixie-security main",
    )
    assert mirror.hosts == {"near.example"}
