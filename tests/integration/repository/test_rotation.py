"""A new signing key takes over from the former one, and no server is left behind."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.cli import main
from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.keys import repository_key as keys
from sugar_deploy.keys.rpm_key import rpm_key
from sugar_deploy.keys.secrets import Secrets
from sugar_deploy.repository.publish import rollback
from sugar_deploy.repository.verify import BrokenTree, verify
from tests.integration.repository.bare import publish


def _key_files(deployment: Folder, tmp_path: Path) -> dict[str, Path]:
    """The public keys before, during and after a rotation, which has been published but not ended."""
    files = {name: tmp_path / f"{name}.asc" for name in ("former", "both", "present")}
    files["former"].write_text(deployment.repository_key.read_text())
    keys.rotate(deployment, "golden")
    files["both"].write_text(deployment.repository_key.read_text())
    with keys.signing_keys(deployment, "golden") as (gpg, found):
        files["present"].write_text(gpg.run("--armor", "--export", found[0].fingerprint))
    return files


def test_both_keys_sign_and_whoever_knows_one_of_them_accepts(
    deployment: Folder, sources: Path, apt: Callable, tmp_path: Path
) -> None:
    before = verify(deployment.published, deployment.repository_key).fingerprints
    files = _key_files(deployment, tmp_path)
    done = publish(deployment, "golden", sources=sources)
    assert done.changed, "it has to be signed again"
    present, former = (key.fingerprint for key in done.keys)
    assert before == (former,)
    seen = {name: set(verify(deployment.published, file).fingerprints) for name, file in files.items()}
    assert seen == {"former": {former}, "both": {present, former}, "present": {present}}
    release = deployment.published / "dists/trixie/Release"
    for name, file in files.items():
        client = apt(deployment.published, file, "trixie" if name == "both" else "bookworm", name_of(name))
        update = client("update")
        assert (update.returncode, "W:" in update.stderr) == (0, False), update.stderr
        assert client("download", "hello-one").returncode == 0
        sqv = ["sqv", "--keyring", str(file), str(release.with_name("Release.gpg")), str(release)]
        assert subprocess.run(sqv, capture_output=True).returncode == 0
    assert not publish(deployment, "golden", sources=sources).changed


def name_of(key: str) -> str:
    """An architecture, so that each of the three has an apt of its own."""
    return {"former": "amd64", "both": "arm64", "present": "armhf"}[key]


def test_a_retired_key_is_trusted_no_longer(deployment: Folder, sources: Path, apt: Callable, tmp_path: Path) -> None:
    files = _key_files(deployment, tmp_path)
    publish(deployment, "golden", sources=sources)
    present, former = keys.retire(deployment, "golden")
    assert deployment.repository_key.read_text() == files["present"].read_text()
    done = publish(deployment, "golden", sources=sources)
    assert done.changed
    assert [key.fingerprint for key in done.keys] == [present.fingerprint]
    with pytest.raises(BrokenTree, match="signed by another key"):
        verify(deployment.published, files["former"])
    assert apt(deployment.published, files["former"])("update").returncode != 0
    assert apt(deployment.published, files["both"], "trixie")("update").returncode == 0
    secrets = Secrets(deployment, "golden")
    assert secrets.find("repository_former_key") is None
    with keys.signing_keys(deployment, "golden") as (gpg, _):
        assert former.fingerprint not in gpg.run("--with-colons", "--list-secret-keys")


def test_the_words_of_a_rotation_out_of_turn(deployment: Folder) -> None:
    with pytest.raises(UsageError, match="no former key to retire") as early:
        keys.retire(deployment, "golden")
    assert "--rotate" in early.value.remedy
    keys.rotate(deployment, "golden")
    with pytest.raises(UsageError, match="a rotation is under way") as late:
        keys.rotate(deployment, "golden")
    assert "--retire" in late.value.remedy


def test_retiring_where_there_is_no_key_at_all_makes_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fresh = Folder(tmp_path / "fresh")
    fresh.root.mkdir()
    fresh.file.write_text("version: 1\nname: golden\ntitle: Golden\n")
    with pytest.raises(SystemExit) as ended:
        main(["repo", "key", "--retire", "-C", str(fresh.root)])
    assert ended.value.code == 2
    assert "there is no former key to retire" in capsys.readouterr().err
    assert [path.name for path in fresh.root.iterdir()] == ["deployment.yml"]


def test_a_clone_restores_both_keys_from_the_secrets(deployment: Folder, tmp_path: Path) -> None:
    new, former = keys.rotate(deployment, "golden")
    clone = Folder(tmp_path / "clone")
    clone.root.mkdir()
    (clone.root / "secrets").symlink_to(deployment.secrets)
    with keys.signing_keys(clone, "golden") as (_, found):
        assert found == (new, former)
    assert clone.repository_key.read_text() == deployment.repository_key.read_text()
    # The other machine's home still has the former key first, and no idea of what has happened since.
    keys.retire(deployment, "golden")
    with keys.signing_keys(clone, "golden") as (_, found):
        assert found == (new,)


def test_a_rotation_killed_between_its_steps_leaves_the_key_that_servers_trust(deployment: Folder) -> None:
    secrets = Secrets(deployment, "golden")
    trusted = deployment.repository_key.read_text()
    with keys.signing_keys(deployment, "golden") as (gpg, found):
        keys._generate(gpg, "golden")
        secrets.set("repository_former_key", secrets.get("repository_private_key"))
    with keys.signing_keys(deployment, "golden") as (_, after):
        assert after == found
    assert deployment.repository_key.read_text() == trusted
    _, former = keys.rotate(deployment, "golden")
    assert former == found[0]


def test_a_former_key_that_has_expired_signs_no_more(deployment: Folder, sources: Path) -> None:
    with keys.signing_keys(deployment, "golden") as (gpg, found):
        gpg.run("--quick-set-expire", found[0].fingerprint, "seconds=1")
        Secrets(deployment, "golden").set("repository_private_key", keys._private(gpg, found[0]))
    new, _ = keys.rotate(deployment, "golden")
    publish(deployment, "golden", sources=sources)
    assert verify(deployment.published, deployment.repository_key).fingerprints == (new.fingerprint,)


def test_there_is_no_way_back_behind_a_retired_key(deployment: Folder, sources: Path) -> None:
    first = (deployment.published / "snapshot").read_text().strip()
    keys.rotate(deployment, "golden")
    deployment.debs.mkdir()
    (deployment.debs / "hello-three.deb").write_bytes(
        next(deployment.published.glob("pool/main/h/hello-one/*.deb")).read_bytes()
    )
    assert rollback(deployment, "golden", first).snapshot == first, "while both are trusted, there is"
    keys.retire(deployment, "golden")
    with pytest.raises(DeployError, match="the key of then is retired"):
        rollback(deployment, "golden", first)


def _run(deployment: Folder, name: str, snapshot: str, status: str) -> None:
    folder = deployment.runs / f"{name}-apply"
    folder.mkdir(parents=True)
    about = {"verb": "apply", "limit": ["north"], "snapshot": snapshot}
    (folder / "run.json").write_text(json.dumps(about))
    (folder / "result.json").write_text(json.dumps({"status": "done", "hosts": {"north": {"status": status}}}))


def test_a_change_of_keys_says_that_laptops_on_olpc_os_keep_theirs(
    deployment: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment.file.write_text("version: 1\nname: golden\ntitle: Golden\n")

    def key(*words: str) -> str:
        with pytest.raises(SystemExit) as ended:
            main(["repo", "key", "-C", str(deployment.root), *words])
        assert not ended.value.code
        return capsys.readouterr().err

    assert "OLPC OS" not in key("--rotate"), "there is none yet"
    laptops = rpm_key(Secrets(deployment, "golden"), "golden")
    said = key("--retire")
    assert f"The key for laptops on OLPC OS ({laptops.fingerprint}) stays as it is" in said
    assert "OLPC OS" not in key()
    assert rpm_key(Secrets(deployment, "golden"), "golden").fingerprint == laptops.fingerprint


def test_retiring_asks_for_servers_that_no_apply_has_reached(
    deployment: Folder, sources: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deployment.file.write_text(
        "version: 1\nname: golden\ntitle: Golden\nschools:\n  north:\n    scenario: online-peers\n"
        "    role: master\n    server: {address: 192.0.2.1}\n    uplink: {interface: eth0}\n"
    )

    def key(*words: str) -> int:
        with pytest.raises(SystemExit) as ended:
            main(["repo", "key", "-C", str(deployment.root), *words])
        return int(ended.value.code or 0)

    before = (deployment.published / "snapshot").read_text().strip()
    assert key("--rotate") == 0
    _run(deployment, "20260101T000000.000Z", before, "ok")
    assert key("--retire") == 2
    assert "north may know only the former key" in capsys.readouterr().err
    deployment.debs.mkdir()
    after = publish(deployment, "golden", sources=sources).snapshot
    assert after == before, "signed again, but the same snapshot"
    assert key("--retire", "--yes") == 0
    assert key("--retire", "--yes") == 2
