"""The same packages for the same content; a higher version for any other."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.folder import Folder
from tests.unit.repository.configuration.conftest import KEYS, MORNING, SCHOOLS, Generate, field, plan


def _bytes(debs: dict[str, Path]) -> dict[str, bytes]:
    return {deb.name: deb.read_bytes() for deb in debs.values()}


def _higher(one: Path, other: Path) -> bool:
    """As dpkg sees it."""
    versions = (field(one, "Version"), "gt", field(other, "Version"))
    return subprocess.run(["dpkg", "--compare-versions", *versions], check=False).returncode == 0


@pytest.fixture
def other_mask() -> Iterator[None]:
    former = os.umask(0o077)
    yield
    os.umask(former)


def test_the_first_version_says_when(generate: Generate) -> None:
    debs = generate()
    assert field(debs["peru-repository"], "Version").startswith("1+20261121100000.")


def test_unchanged_content_is_not_built_again(generate: Generate) -> None:
    before = {deb: deb.stat().st_mtime_ns for deb in generate().values()}
    assert {deb: deb.stat().st_mtime_ns for deb in generate(now=MORNING + 999).values()} == before


def test_lost_and_damaged_packages_are_built_again_as_the_same_bytes(generate: Generate, other_mask: None) -> None:
    os.umask(0o022)
    debs = generate()
    before = _bytes(debs)
    debs["peru-repository"].unlink()
    debs["peru-server-config"].write_bytes(b"torn")
    os.umask(0o077)
    assert _bytes(generate(now=MORNING + 999)) == before
    for deb in debs.values():
        assert deb.stat().st_mode & 0o777 == 0o644


def test_the_record_alone_gives_the_same_bytes_elsewhere(folder: Folder, generate: Generate) -> None:
    before = _bytes(generate())
    for deb in (folder.repository / "configuration").iterdir():
        deb.unlink()
    assert _bytes(generate(now=MORNING + 999)) == before


def test_only_what_has_changed_gets_a_higher_version(generate: Generate) -> None:
    first = generate()
    copies = {name: deb.name for name, deb in first.items()}
    second = generate(keys=KEYS + KEYS, now=MORNING + 60)
    assert [name for name in second if second[name].name != copies[name]] == ["peru-repository"]
    assert not first["peru-repository"].exists(), "a former version is not published again"


@pytest.mark.parametrize("seconds_later", [60, 0, -86400])
def test_versions_grow_even_where_the_clock_does_not(generate: Generate, tmp_path: Path, seconds_later: int) -> None:
    one = generate()["peru-repository"].rename(tmp_path / "one.deb")
    two = generate(keys="other", now=MORNING + seconds_later)["peru-repository"].rename(tmp_path / "two.deb")
    three = generate(now=MORNING + seconds_later)["peru-repository"]
    assert _higher(two, one)
    assert _higher(three, two), "content that comes back is new to those who have the one in between"


def test_a_package_that_comes_back_keeps_its_version(generate: Generate) -> None:
    before = generate()["peru-peer-server"].read_bytes()
    without = {name: school for name, school in SCHOOLS.items() if name != "aula"}
    assert "peru-peer-server" not in generate(plan(without))
    assert generate(now=MORNING + 60)["peru-peer-server"].read_bytes() == before


def test_everything_belongs_to_root_and_has_its_date(generate: Generate) -> None:
    for deb in generate().values():
        listed = subprocess.run(["dpkg-deb", "--contents", str(deb)], capture_output=True, text=True, check=True)
        for line in listed.stdout.splitlines():
            mode, owner, _, date, time, name = line.split(maxsplit=5)
            assert (owner, date) == ("root/root", "2026-11-21"), line
            assert mode == ("drwxr-xr-x" if name.endswith("/") else "-rw-r--r--"), line
            assert time.endswith(":00"), line


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"format": 2, "packages": {}}',
        '{"format": 1, "packages": {"peru-repository": {"content": "x"}}}',
        '{"format": 1, "packages": {"peru-repository": {"content": 7, "epoch": "soon"}}}',
    ],
)
def test_a_damaged_record_is_told_with_its_remedy(folder: Folder, generate: Generate, text: str) -> None:
    generate()
    record = folder.repository / "configuration.json"
    record.write_text(text)
    with pytest.raises(DeployError, match=r"configuration\.json cannot be read.*Restore it, or remove it"):
        generate()
    assert record.read_text() == text


def test_a_version_is_recorded_before_it_is_given(
    folder: Folder, generate: Generate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_arguments: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("sugar_deploy.repository.configuration.generate.write_deb", killed)
        with pytest.raises(KeyboardInterrupt):
            generate()
    recorded = json.loads((folder.repository / "configuration.json").read_text())["packages"]
    assert recorded["peru-repository"]["epoch"] == MORNING
    assert field(generate(now=MORNING + 60)["peru-repository"], "Version").startswith("1+20261121100000.")
