"""A backup's folder: its manifests, what is forgotten, what is refused."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils.saved import Saved, SavedError


def write(saved: Saved, date: str, **more: Any) -> None:
    """A backup of that date."""
    content = date.encode()
    Path(saved.archive(date)).write_bytes(content)
    digest = hashlib.sha256(content).hexdigest()
    state = {"size": len(content), "sha256": digest}
    manifest = {
        "format": 1,
        "school": "san-martin",
        "made_at": date,
        "machine": "m",
        "versions": {},
        "paths": [],
        "state": state,
    }
    saved.complete({**manifest, "bulk": [], **more})


@pytest.fixture
def saved(tmp_path: Path) -> Saved:
    made = Saved(str(tmp_path / "backups" / "san-martin"))
    made.begin()
    return made


def test_the_folder_is_for_its_owner_and_not_for_version_control(saved: Saved) -> None:
    assert Path(saved.folder).stat().st_mode & 0o777 == 0o700
    assert (Path(saved.folder).parent / ".gitignore").read_text() == "*\n"
    saved.begin()


def test_the_latest_is_read_or_the_one_of_a_date(saved: Saved) -> None:
    for date in ("2026-11-26T100000Z", "2026-11-25T100000Z"):
        write(saved, date)
    assert saved.read()["made_at"] == "2026-11-26T100000Z"
    assert saved.read("2026-11-25T100000Z")["made_at"] == "2026-11-25T100000Z"
    with pytest.raises(SavedError, match=r"no backup of 2020.*There are 2026-11-25T100000Z, 2026-11-26T100000Z"):
        saved.read("2020")


def test_ten_stay_and_half_written_ones_go(saved: Saved) -> None:
    (Path(saved.folder) / "2026-01-01T000000Z.tar.part").write_text("half")
    (Path(saved.folder) / "2026-01-02T000000Z.tar").write_text("of a run that was cut off")
    (Path(saved.folder) / "notes.txt").write_text("the deployer's own")
    for day in range(10, 22):
        write(saved, f"2026-11-{day}T100000Z")
    days = [f"2026-11-{day}T100000Z" for day in range(12, 22)]
    assert saved.dates() == days
    left = {path.name for path in Path(saved.folder).iterdir()}
    assert left == {f"{day}.{ending}" for day in days for ending in ("json", "tar")} | {"notes.txt"}


def test_what_is_gone_from_a_server_stays_for_a_month(saved: Saved) -> None:
    for date in ("2026-10-20T100000Z", "2026-10-28T100000Z"):
        Path(saved.gone(date, "/var/lib/sugar-backup")).mkdir(parents=True)
    write(saved, "2026-11-26T100000Z")
    assert [path.name for path in (Path(saved.folder) / "gone").iterdir()] == ["2026-10-28T100000Z"]


def test_a_damaged_archive_names_the_others(saved: Saved) -> None:
    for date in ("2026-11-25T100000Z", "2026-11-26T100000Z"):
        write(saved, date)
    Path(saved.archive("2026-11-26T100000Z")).write_bytes(b"rot")
    with pytest.raises(SavedError, match=r"26T100000Z\.tar is damaged.*2026-11-25T100000Z may be sound: --date"):
        saved.read()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "school": "x"}'])
def test_a_damaged_manifest_is_told(saved: Saved, text: str) -> None:
    (Path(saved.folder) / "2026-11-26T100000Z.json").write_text(text)
    with pytest.raises(SavedError, match="is damaged"):
        saved.read()


def test_what_a_newer_program_wrote_is_left_alone(saved: Saved) -> None:
    write(saved, "2026-11-26T100000Z", format=2)
    with pytest.raises(SavedError, match="newer sugar-deploy"):
        saved.read()
    assert json.loads((Path(saved.folder) / "2026-11-26T100000Z.json").read_text())["format"] == 2


def test_two_do_not_write_at_once(saved: Saved) -> None:
    with saved.locked(), pytest.raises(SavedError, match="in use"), Saved(saved.folder).locked():
        pass


def test_a_stick_with_fat_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(*_arguments: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("os.link", no_links)
    with pytest.raises(SavedError, match="ext4"):
        Saved(str(tmp_path / "stick" / "san-martin")).begin()
    assert subprocess.run(["ls", "-A", tmp_path / "stick" / "san-martin"], capture_output=True).stdout == b""
