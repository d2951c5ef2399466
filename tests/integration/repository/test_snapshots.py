"""Snapshots: recorded for good, kept for a while, and published again on request."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.repository.publish import return_to, rollback
from sugar_deploy.repository.snapshots import History
from sugar_deploy.repository.verify import verify
from sugar_deploy.repository.work import working
from tests.integration.repository.bare import publish
from tests.integration.repository.handmade import make_deb


def _versions(folder: Folder, name: str) -> set[str]:
    report = verify(folder.published, folder.repository_key)
    return {one.version for one in report.packages if one.name == name}


def _songs(folder: Folder, version: str, sources: Path, **options: int) -> str:
    shutil.rmtree(folder.debs, ignore_errors=True)
    make_deb(folder.debs, "songs", version)
    return publish(folder, "golden", sources=sources, **options).snapshot


def test_a_record_tells_all_of_a_snapshot(deployment: Folder, sources: Path) -> None:
    make_deb(deployment.debs, "songs", "2:1.0", source="choir (0.9)")
    done = publish(deployment, "golden", sources=sources)
    record = json.loads((deployment.repository / "snapshots" / f"{done.snapshot}.json").read_text())
    assert json.loads((deployment.published / "snapshot.json").read_text()) == record
    assert (record["format"], record["id"], record["serial"], record["deployment"]) == (1, done.snapshot, 2, "golden")
    assert record["fingerprints"] == [done.keys[0].fingerprint]
    assert sorted(record["suites"]) == ["bookworm", "trixie"]
    songs = next(one for one in record["suites"]["trixie"] if one["name"] == "songs")
    deb = deployment.debs / "songs_2_1.0_all.deb"
    assert songs == {
        "name": "songs",
        "version": "2:1.0",
        "architecture": "all",
        "sha256": hashlib.sha256(deb.read_bytes()).hexdigest(),
        "size": deb.stat().st_size,
        "source": "choir",
        "source_version": "0.9",
        "origin": "deployer",
        "filename": "pool/main/c/choir/songs_2_1.0_all.deb",
    }
    for one in record["suites"]["bookworm"]:
        file = deployment.published / one["filename"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == one["sha256"]


def test_rolling_back_and_forth_as_apt_sees_it(deployment: Folder, sources: Path, apt: Callable) -> None:
    old = _songs(deployment, "1", sources)
    new = _songs(deployment, "2", sources)
    client = apt(deployment.published, deployment.repository_key)
    assert client("update").returncode == 0
    done = rollback(deployment, "golden", old)
    assert (done.snapshot, done.changed, done.pinned) == (old, True, True)
    # A Release file older than the last one that apt has seen, it would ignore.
    assert client("update").returncode == 0
    fetched = client("download", "songs")
    assert fetched.returncode == 0, fetched.stderr
    assert [path.name for path in client.root.glob("songs*.deb")] == ["songs_1_all.deb"]
    assert not rollback(deployment, "golden", old).changed
    assert rollback(deployment, "golden", new).snapshot == new
    assert client("update").returncode == 0
    assert client("download", "songs=2").returncode == 0
    history = History(deployment)
    assert [(one.id, one.serial) for one in history.records()][1:] == [(old, 2), (new, 3)]
    assert history.published() == history.records()[-1]


def test_a_pinned_snapshot_stays_whatever_changes(deployment: Folder, sources: Path) -> None:
    old = _songs(deployment, "1", sources)
    _songs(deployment, "2", sources)
    rollback(deployment, "golden", old)
    shutil.rmtree(deployment.published)
    with working(deployment, "golden", lambda _text: None) as work:
        assert return_to(work, work.history.find(work.history.pinned())).changed
    assert _versions(deployment, "songs") == {"1"}


def test_only_the_latest_are_kept_but_all_are_remembered(deployment: Folder, sources: Path) -> None:
    names = [_songs(deployment, str(number), sources, keep=2) for number in range(3)]
    history = History(deployment)
    assert [record.serial for record in history.records()] == [1, 2, 3, 4]
    assert sorted(path.name for path in (deployment.repository / "kept").iterdir()) == sorted(names[1:])
    with pytest.raises(DeployError, match="no longer kept") as dropped:
        rollback(deployment, "golden", names[0])
    assert f"{names[2]} (number 4), {names[1]} (number 3)" in dropped.value.remedy
    with pytest.raises(UsageError, match="no snapshot 0123 is known") as unknown:
        rollback(deployment, "golden", "0123")
    assert f"Known are {names[2]} (number 4)" in unknown.value.remedy
    assert _versions(deployment, "songs") == {"2"}, "nothing has changed"
    assert not (deployment.repository / "pinned").exists()
    # What was dropped keeps its number when it is published once more.
    assert _songs(deployment, "0", sources, keep=2) == names[0]
    assert history.published() == history.record(names[0])


def test_kept_packages_that_are_damaged_are_not_published(deployment: Folder, sources: Path) -> None:
    old = _songs(deployment, "1", sources)
    new = _songs(deployment, "2", sources)
    package = deployment.repository / "kept" / old / "pool/main/s/songs/songs_1_all.deb"
    content = package.read_bytes()
    package.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DeployError, match="are damaged"):
        rollback(deployment, "golden", old)
    assert verify(deployment.published, deployment.repository_key).snapshot == new


def test_numbers_grow_in_a_clone_that_has_no_records(deployment: Folder, sources: Path) -> None:
    _songs(deployment, "1", sources)
    for path in deployment.repository.iterdir():
        if path.name not in {".gitignore", "key.asc", "serial"}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    _songs(deployment, "2", sources)
    assert [record.serial for record in History(deployment).records()] == [3]


def test_a_record_is_written_after_a_publication_that_was_killed_before_it(deployment: Folder, sources: Path) -> None:
    name = _songs(deployment, "1", sources)
    (deployment.repository / "snapshots" / f"{name}.json").unlink()
    (deployment.repository / "serial").write_text("1\n")
    (deployment.repository / "kept" / "cafecafecafe").mkdir()
    assert not publish(deployment, "golden", sources=sources).changed
    assert [record.serial for record in History(deployment).records()] == [1, 2]
    assert (deployment.repository / "serial").read_text() == "2\n"
    assert not (deployment.repository / "kept" / "cafecafecafe").exists(), "it was never published"


def test_suites_come_and_go(deployment: Folder, sources: Path, apt: Callable) -> None:
    one = publish(deployment, "golden", sources=sources, suites=("trixie",))
    assert [path.name for path in (deployment.published / "dists").iterdir()] == ["trixie"]
    assert verify(deployment.published, deployment.repository_key).distributions == ["trixie"]
    both = publish(deployment, "golden", sources=sources)
    assert {path.name for path in (deployment.published / "dists").iterdir()} == {"bookworm", "trixie"}
    assert one.snapshot != both.snapshot
    assert apt(deployment.published, deployment.repository_key, "bookworm")("update").returncode == 0


def test_what_is_unchanged_is_not_read_again(
    deployment: Folder, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _songs(deployment, "1", sources)
    read: list[str] = []
    digest = hashlib.file_digest

    def spy(file, name):
        read.append(file.name)
        return digest(file, name)

    monkeypatch.setattr(hashlib, "file_digest", spy)
    assert not publish(deployment, "golden", sources=sources).changed
    assert [name for name in read if name.endswith(".deb") and str(deployment.root) in name] == []
    package = deployment.published / "pool/main/s/songs/songs_1_all.deb"
    package.touch()
    assert not publish(deployment, "golden", sources=sources).changed
    assert read.count(str(package)) == 1
    verify(deployment.published, deployment.repository_key)
    assert read.count(str(package)) == 2, "whoever verifies reads every byte"


def test_kept_trees_share_their_packages_with_what_is_published(deployment: Folder, sources: Path) -> None:
    first = _songs(deployment, "1", sources)
    _songs(deployment, "2", sources)
    name = "pool/main/h/hello-one/hello-one_1.0_all.deb"
    kept = deployment.repository / "kept" / first / name
    assert kept.stat().st_ino == (deployment.published / name).stat().st_ino
