"""The repo commands as a deployer types them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.folder import Folder

Run = Callable[..., subprocess.CompletedProcess[str]]


CONFIGURATION = ["golden-client-config", "golden-repository", "golden-server-config"]


@pytest.fixture
def run(deployment: Folder, sources: Path) -> Run:
    deployment.file.write_text("version: 1\nname: golden\ntitle: The golden school\n")

    def repo(verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        own = ("--sources", str(sources)) if verb in {"build", "publish", "lint"} else ()
        argv = [sys.executable, "-m", "sugar_deploy", "repo", verb, "-C", str(deployment.root), *own, *arguments]
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    return repo


def test_publish_narrates_and_tells_what_comes_next(run: Run, deployment: Folder) -> None:
    done = run("publish")
    assert done.returncode == 0, done.stderr
    snapshot = (deployment.published / "snapshot").read_text().strip()
    assert f"Publishing snapshot {snapshot}: 5 packages" in done.stdout
    assert f"Snapshot {snapshot} (number 2) published: 5 packages in {deployment.published}" in done.stdout
    assert done.stdout.endswith(f"Next: sugar-deploy apply -C {deployment.root}\n")
    again = run("publish", "--quiet")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")


def test_json_is_all_that_standard_output_holds(run: Run) -> None:
    built = json.loads(run("build", "--json").stdout)
    assert [package["name"] for package in built["packages"]] == ["hello-one", "hello-two"]
    assert all(Path(deb).is_file() for package in built["packages"] for deb in package["debs"])
    first = json.loads(run("publish", "--json").stdout)
    published = json.loads(run("publish", "--json").stdout)
    assert (first["changed"], published["changed"]) == (True, False)
    assert published["snapshot"] == first["snapshot"]
    verified = json.loads(run("verify", "--json").stdout)
    assert (verified["valid"], verified["snapshot"], verified["serial"]) == (True, first["snapshot"], 2)
    listed = json.loads(run("list", "--json").stdout)
    assert [(one["name"], one["distributions"]) for one in listed["packages"]] == [
        (name, ["bookworm", "trixie"]) for name in [*CONFIGURATION, "hello-one", "hello-two"]
    ]
    assert [json.loads(run("key", "--json").stdout)["fingerprint"]] == published["fingerprints"]
    kept = json.loads(run("snapshots", "--json").stdout)["snapshots"]
    assert [(one["serial"], one["published"], one["packages"]) for one in kept] == [(2, True, 5), (1, False, 2)]
    shown = json.loads(run("snapshot", "--json").stdout)
    origins = {item["name"]: item["origin"] for item in shown["suites"]["trixie"]}
    assert origins == dict.fromkeys(CONFIGURATION, "configuration") | {"hello-one": "ours", "hello-two": "ours"}


SCHOOL = """\
version: 1
name: golden
title: The golden school
schools:
  north: {scenario: online-peers, role: master, server: {address: 192.0.2.1}, uplink: {interface: eth0}}
"""


def test_build_makes_what_the_deployment_file_asks_for(run: Run, deployment: Folder) -> None:
    deployment.file.write_text(SCHOOL)
    shutil.rmtree(deployment.repository / "configuration", ignore_errors=True)
    before = (deployment.published / "snapshot").read_text()
    built = json.loads(run("build", "--json").stdout)
    assert [package["name"] for package in built["packages"]] == ["hello-one", "hello-two"]
    configuration = {one["name"]: one for one in built["configuration"]}
    assert {*CONFIGURATION, "golden-online-peers-client"} <= configuration.keys()
    for name, one in configuration.items():
        shown = subprocess.run(["dpkg-deb", "-W", one["deb"]], capture_output=True, text=True, check=True).stdout
        assert shown == f"{name}\t{one['version']}\n"
    rpms = [Path(rpm).name for rpm in built["yum"]["rpms"]]
    version = built["yum"]["version"]
    assert f"golden-client-config-{version}-1.noarch.rpm" in rpms
    assert (deployment.published / "snapshot").read_text() == before, "nothing is published"
    shown = run("build").stdout
    assert f"golden-client-config {configuration['golden-client-config']['version']}\n" in shown
    assert f"golden-client-config-{version}-1.noarch.rpm\n" in shown
    # What is published is just that.
    published = json.loads(run("publish", "--json").stdout)
    names = {one["name"]: one["version"] for one in published["packages"]}
    assert {name: one["version"] for name, one in configuration.items()}.items() <= names.items()


def test_build_without_a_deployment_file_makes_our_own_and_says_so(run: Run, deployment: Folder) -> None:
    deployment.file.unlink()
    done = run("build")
    assert done.returncode == 0, done.stderr
    assert f"There is no {deployment.file}, and so no configuration packages" in done.stdout
    built = json.loads(run("build", "--json").stdout)
    assert (built["configuration"], built["yum"]) == (None, None)
    deployment.file.write_text("version: 1\nname: golden\n")
    assert run("build").returncode == 2, "a wrong one is not passed over"


def test_a_rollback_holds_until_the_latest_is_asked_for(run: Run, deployment: Folder) -> None:
    former = (deployment.published / "snapshot").read_text().strip()
    latest = json.loads(run("publish", "--json").stdout)["snapshot"]
    back = run("rollback", former[:8])
    assert back.returncode == 0, back.stderr
    assert f"Snapshot {former} (number 1) published, pinned by a rollback" in back.stdout
    assert "repo publish --latest" in back.stdout
    held = run("publish")
    assert f"Snapshot {former} is pinned by a rollback" in held.stdout
    assert f"Snapshot {former} (number 1) unchanged, pinned by a rollback" in held.stdout
    marks = {
        one["id"]: (one["published"], one["pinned"])
        for one in json.loads(run("snapshots", "--json").stdout)["snapshots"]
    }
    assert marks == {former: (True, True), latest: (False, False)}
    done = json.loads(run("publish", "--latest", "--json").stdout)
    assert (done["snapshot"], done["serial"], done["pinned"]) == (latest, 2, False)
    assert json.loads(run("publish", "--json").stdout)["changed"] is False
    wrong = run("rollback", "beef")
    assert wrong.returncode == 2
    assert f"Known are {latest} (number 2), {former} (number 1)" in wrong.stderr


def test_verify_fails_on_the_first_broken_file(run: Run, deployment: Folder) -> None:
    assert run("verify").returncode == 0
    package = deployment.published / "pool/main/h/hello-one/hello-one_1.0_all.deb"
    package.unlink()
    broken = run("verify")
    assert broken.returncode == 1
    assert broken.stderr.startswith(f"sugar-deploy: {package} is broken: it is missing. ")
    assert "sugar-deploy repo publish" in broken.stderr
    as_json = json.loads(run("verify", "--json").stdout)
    assert as_json == {"valid": False, "file": str(package), "reason": "it is missing"}


def test_lint_passes_the_tests_own_packages(run: Run) -> None:
    done = run("lint")
    assert done.returncode == 0
    assert "lintian: 0 errors, 0 warnings" in done.stdout


def test_lint_fails_on_an_error(run: Run, sources: Path, tmp_path: Path) -> None:
    shutil.copytree(sources / "hello-one", tmp_path / "sources" / "hello-one")
    (tmp_path / "sources/hello-one/debian/copyright").unlink()
    done = run("lint", "--sources", str(tmp_path / "sources"))
    assert done.returncode == 1
    assert "hello-one: error: no-copyright-file" in done.stdout


def test_mistakes_are_told_without_a_traceback(run: Run, deployment: Folder) -> None:
    deployment.file.unlink()
    missing = run("publish")
    assert missing.returncode == 2
    nothing = run("verify", "-C", "/nowhere")
    assert nothing.returncode == 1
    assert "nothing is published" in nothing.stderr
    assert "Traceback" not in missing.stderr + nothing.stderr


def test_every_command_shows_an_example() -> None:
    verbs = ["build", "publish", "verify", "list", "lint", "key", "snapshots", "snapshot", "rollback", "diff", "sbom"]
    for verb in ("", *verbs):
        argv = [sys.executable, "-m", "sugar_deploy", "repo", *verb.split(), "--help"]
        shown = subprocess.run(argv, env=dict(os.environ), capture_output=True, text=True, check=True).stdout
        assert "Example:" in shown
        assert "sugar-deploy repo" in shown
