"""`repo diff` and `repo sbom`, on packages made for the purpose."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from sugar_deploy.folder import Folder
from sugar_deploy.repository.sbom import sbom
from sugar_deploy.repository.snapshots import History
from tests.integration.repository.bare import publish
from tests.integration.repository.handmade import entry, make_deb

OLD = entry("choir", "1.0-1", "First of all.")
NEW = (
    entry("choir", "1.2-1", "Sing louder.", "Fix CVE-2026-1111 in the bass.") + entry("choir", "1.1-1", "Rest.") + OLD
)
REBUILD = entry("organ", "3-1+b1", "Rebuild against libpipe2")


def _first(folder: Path) -> None:
    make_deb(folder, "choir", "1.0-1", files={"usr/share/doc/choir/changelog.Debian.gz": OLD})
    make_deb(folder, "choir-doc", "1.0-1", source="choir", links={"usr/share/doc/choir-doc": "choir"})
    make_deb(folder, "flute", "1.0", files={"usr/share/doc/flute/changelog.gz": entry("flute", "1.0", "New.")})
    for architecture in ("amd64", "armhf"):
        text = {"usr/share/doc/organ/changelog.Debian.gz": entry("organ", "3-1", "Build.")}
        make_deb(folder, "organ", "3-1", architecture=architecture, files=text)
    make_deb(folder, "gone", "1")
    make_deb(folder, "newest", "2", files={"usr/share/doc/newest/changelog.gz": entry("newest", "2", "x")})


def _second(folder: Path) -> None:
    make_deb(folder, "choir", "1.2-1", files={"usr/share/doc/choir/changelog.Debian.gz": NEW})
    make_deb(folder, "choir-doc", "1.2-1", source="choir", links={"usr/share/doc/choir-doc": "choir"})
    changes = entry("flute", "1.1", "Solo.") + entry("flute", "1.0", "New.")
    links = {"usr/share/doc/flute/changelog.Debian.gz": "changelog.gz"}
    make_deb(folder, "flute", "1.1", files={"usr/share/doc/flute/changelog.gz": changes}, links=links)
    for architecture in ("amd64", "armhf"):
        text = {
            "usr/share/doc/organ/changelog.Debian.gz": entry("organ", "3-1", "Build."),
            f"usr/share/doc/organ/changelog.Debian.{architecture}.gz": REBUILD,
        }
        make_deb(folder, "organ", "3-1+b1", architecture=architecture, source="organ (3-1)", files=text)
    make_deb(folder, "newest", "1", files={"usr/share/doc/newest/changelog.gz": entry("newest", "1", "x")})
    make_deb(folder, "fresh", "1")


@pytest.fixture
def changed(deployment: Folder, sources: Path) -> tuple[Folder, str, str]:
    """A deployment with two snapshots, and their ids."""
    deployment.file.write_text("version: 1\nname: golden\ntitle: The golden school\n")
    _first(deployment.debs)
    before = publish(deployment, "golden", sources=sources, suites=("trixie",)).snapshot
    shutil.rmtree(deployment.debs)
    _second(deployment.debs)
    return deployment, before, publish(deployment, "golden", sources=sources, suites=("trixie",)).snapshot


def _repo(folder: Folder, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "sugar_deploy", "repo", words[0], "-C", str(folder.root), *words[1:]]
    return subprocess.run(argv, capture_output=True, text=True, check=False)


def _changes(folder: Folder, *words: str) -> dict[str, Any]:
    done = _repo(folder, "diff", *words, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["unread"] == []
    return {change["name"]: change for change in found["changes"]}


def test_what_has_changed_and_what_the_packages_say_about_it(changed: tuple[Folder, str, str]) -> None:
    folder, before, after = changed
    found = _changes(folder, before)
    kinds = {name: change["change"] for name, change in found.items()}
    assert kinds == {
        "choir": "upgraded",
        "choir-doc": "upgraded",
        "flute": "upgraded",
        "fresh": "added",
        "gone": "removed",
        "newest": "downgraded",
        "organ": "upgraded",
    }
    choir = found["choir"]
    assert (choir["suite"], choir["before"], choir["after"], choir["origin"]) == (
        *("trixie", "1.0-1", "1.2-1", "deployer"),
    )
    assert [one["version"] for one in choir["changelog"]] == ["1.2-1", "1.1-1"]
    assert choir["cves"] == [{"id": "CVE-2026-1111", "urgency": None}]
    assert found["choir-doc"]["changelog"] == choir["changelog"], "its documentation is a link to choir's"
    assert [one["version"] for one in found["flute"]["changelog"]] == ["1.1"], "a link to another name"
    assert found["organ"]["architectures"] == ["amd64", "armhf"]
    assert [one["text"] for one in found["organ"]["changelog"]] == ["  * Rebuild against libpipe2"]
    assert (found["newest"]["before"], found["newest"]["after"]) == ("2", "1")
    assert _changes(folder, after, before)["gone"]["change"] == "added"
    assert _changes(folder, after) == {}


def test_the_tracker_marks_what_changelogs_do_not_tell(changed: tuple[Folder, str, str], tmp_path: Path) -> None:
    folder, before, _ = changed
    tracker = tmp_path / "tracker.json"

    def fixed(version: str, urgency: str) -> dict[str, object]:
        return {"releases": {"trixie": {"status": "resolved", "fixed_version": version, "urgency": urgency}}}

    known = {"CVE-2026-1111": fixed("1.2-1", "high"), "CVE-2026-2222": fixed("1.1-1", "low")}
    tracker.write_text(json.dumps({"choir": known | {"CVE-2026-3333": fixed("1.3-1", "high")}}))
    found = _changes(folder, before, "--tracker", str(tracker))
    assert found["choir"]["cves"] == [
        {"id": "CVE-2026-1111", "urgency": "high"},
        {"id": "CVE-2026-2222", "urgency": "low"},
    ]
    shown = _repo(folder, "diff", before[:6], "--tracker", str(tracker))
    assert "  upgraded   choir 1.0-1 → 1.2-1 (all)  fixes CVE-2026-1111 (high) CVE-2026-2222 (low)\n" in shown.stdout
    assert "        * Sing louder.\n" in shown.stdout
    assert "7 changes, 2 of them fixing vulnerabilities" in shown.stdout
    tracker.write_text("<html>")
    refused = _repo(folder, "diff", before, "--tracker", str(tracker))
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr


def test_changelogs_of_dropped_packages_are_missed_not_made_up(changed: tuple[Folder, str, str]) -> None:
    folder, before, after = changed
    shutil.rmtree(folder.repository / "kept" / after)
    done = _repo(folder, "diff", before)
    assert done.returncode == 0
    assert "The changelog of choir cannot be shown: the package is no longer kept." in done.stdout
    unknown = _repo(folder, "diff", "beef")
    assert unknown.returncode == 2
    assert after in unknown.stderr


def test_the_bill_of_materials_is_valid_whole_and_the_same_each_time(
    changed: tuple[Folder, str, str], tmp_path: Path
) -> None:
    folder, before, after = changed
    text = _repo(folder, "sbom").stdout
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert text == sbom(History(folder).find(after))
    document = json.loads(text)
    record = History(folder).find(after)
    assert document["metadata"]["timestamp"].startswith(record.published_at.rstrip("Z"))
    components = {one["purl"]: one for one in document["components"]}
    assert len(components) == len(record.suites["trixie"])
    organ = components["pkg:deb/golden/organ@3-1%2Bb1?arch=armhf&distro=trixie"]
    item = next(one for one in record.items if (one.name, one.architecture) == ("organ", "armhf"))
    assert organ["hashes"] == [{"alg": "SHA-256", "content": item.sha256}]
    assert {"name": "sugar-deploy:source-version", "value": "3-1"} in organ["properties"]
    file = tmp_path / "sbom.json"
    assert _repo(folder, "sbom", before, "--output", str(file)).returncode == 0
    other = json.loads(file.read_text())
    assert other["serialNumber"] != document["serialNumber"]
    missing = _repo(folder, "sbom", "--output", "/nowhere/sbom.json")
    assert (missing.returncode, "Traceback" in missing.stderr) == (1, False)
