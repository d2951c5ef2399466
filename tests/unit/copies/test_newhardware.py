"""A backup on its way onto a server: what is refused, and a way that is cut off and gone on from."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils import bulk, newhardware, room, statepack
from ansible_collections.sugar.deploy.plugins.module_utils.newhardware import Arrival, RefusedError

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners need root")
NONE: dict[str, Any] = {"files": [], "tables": {}}


class PulledError(Exception):
    """The plug."""


class Server:
    """New hardware, applied, and a backup of what was on the old one at the same places."""

    def __init__(self, work: Path) -> None:
        self.base, self.settings, self.tree = work / "base", work / "etc" / "school", work / "tree"
        for folder in (self.base, self.settings, self.tree):
            folder.mkdir(parents=True)
        (self.base / "proved.json").write_text('{"snapshot": "x", "packages": {}}')
        (self.settings / "account").write_text("sesame")
        (self.settings / "account").chmod(0o640)
        size, digest = statepack.pack([str(self.settings)], str(work / "copy"))
        (self.settings / "account").write_text("virgin")
        self.archive = work / "copy" / "state.tar"
        self.backup: dict[str, Any] = {
            "made_at": "2026-11-26T100000Z",
            "state": {"size": size, "sha256": digest},
            "versions": {},
            "paths": [str(self.settings), str(work / "was-never-there")],
            "bulk": [{"path": str(self.tree), "bytes": 4, "files": 1}],
        }
        self.arrival = Arrival(str(self.base))

    def let_in(self, signs: dict[str, Any] = NONE, *, replace: bool = False) -> str:
        status: str = self.arrival.let_in(self.backup, signs, replace)
        return status

    def arrive(self) -> None:
        """As rsync brings it."""
        assert self.let_in() == "arriving"
        subprocess.run(["cp", self.archive, self.arrival.archive], check=True)
        place = Path(bulk.begin(str(self.tree)))
        (place / "homes").write_text("work")

    def put(self, signs: dict[str, Any] = NONE) -> list[str]:
        places: list[str] = self.arrival.put_in_place(self.backup, [], signs, False)
        return places


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Server:
    for module in (room, statepack, newhardware):
        monkeypatch.setattr(module, "MARGIN_BYTES", 1 << 20)
    return Server(tmp_path)


def assert_restored(server: Server) -> None:
    assert (server.settings / "account").read_text() == "sesame"
    assert (server.settings / "account").stat().st_mode & 0o777 == 0o640
    assert (server.tree / "homes").read_text() == "work"
    assert not (server.base / "restore").exists()


def test_everything_comes_to_its_place_once(server: Server) -> None:
    server.arrive()
    (aside,) = server.put()
    assert_restored(server)
    assert (Path(aside + str(server.settings)) / "account").read_text() == "virgin"
    assert server.let_in() == "already"


@pytest.mark.parametrize("after", range(10))
def test_a_restore_that_is_cut_off_is_carried_on(server: Server, monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    server.arrive()
    real, left = os.rename, [after]

    def rename(source: str, target: str) -> None:
        if not left[0]:
            raise PulledError
        left[0] -= 1
        real(source, target)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        with pytest.raises(PulledError):
            server.put()
    # What is back already is not taken for data of the server's own.
    server.let_in({"files": [str(server.tree / "homes")], "tables": {}})
    server.put()
    assert_restored(server)


def test_only_the_same_backup_goes_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    server.arrive()

    def pull(*_arguments: object) -> None:
        raise PulledError

    with monkeypatch.context() as patch, pytest.raises(PulledError):
        patch.setattr(bulk, "swap", pull)
        server.put()
    other = {**server.backup, "state": {"size": 1, "sha256": "0" * 64}}
    with pytest.raises(RefusedError, match="of 2026-11-26T100000Z, is half restored"):
        server.arrival.let_in(other, NONE, True)
    assert server.let_in() == "placing"
    server.put()
    assert_restored(server)


def test_what_arrived_damaged_touches_nothing(server: Server) -> None:
    server.arrive()
    Path(server.arrival.archive).write_bytes(b"rot")
    with pytest.raises(RefusedError, match="arrived damaged"):
        server.put()
    assert (server.settings / "account").read_text() == "virgin"
    assert not (server.tree / "homes").exists()


def test_a_server_in_use_is_told_by_files_and_rows(server: Server, tmp_path: Path) -> None:
    database = sqlite3.connect(tmp_path / "r.db")
    signs = {"files": [str(server.tree / "homes" / "*")], "tables": {str(tmp_path / "r.db"): "registrations"}}
    assert server.let_in(signs) == "arriving"
    database.execute("CREATE TABLE registrations (a)")
    database.commit()
    assert server.let_in(signs) == "arriving"
    database.execute("INSERT INTO registrations VALUES (1)")
    database.commit()
    with pytest.raises(RefusedError, match="1 registrations"):
        server.let_in(signs)
    assert server.let_in(signs, replace=True) == "arriving"


def test_a_laptop_that_comes_meanwhile_is_not_lost(server: Server) -> None:
    server.arrive()
    (server.tree / "homes").write_text("a laptop that has registered since")
    with pytest.raises(RefusedError, match="data of its own"):
        server.put({"files": [str(server.tree / "homes")], "tables": {}})
    assert (server.settings / "account").read_text() == "virgin"


def test_before_an_apply_there_is_nowhere_to_restore_to(server: Server) -> None:
    (server.base / "proved.json").unlink()
    with pytest.raises(RefusedError, match="sugar-deploy apply"):
        server.let_in()


def test_an_owner_that_is_missing_here_becomes_nobody_s_number(server: Server, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign.tar"
    argv = ["tar", "-cf", foreign, "--owner=nobody-knows:4242", "-C", tmp_path, "etc"]
    subprocess.run(argv, check=True)
    server.archive = foreign
    server.backup["state"]["sha256"] = statepack.sha256(foreign)
    server.arrive()
    with pytest.raises(RefusedError, match="no user or group nobody-knows"):
        server.put()


def test_a_program_that_is_missing_or_older_is_told(server: Server) -> None:
    server.backup["versions"] = {"no-such-package": "1"}
    with pytest.raises(RefusedError, match="no-such-package is not installed here"):
        server.let_in()
    server.backup["versions"] = {"rsync": "99:1"}
    with pytest.raises(RefusedError, match=r"rsync is .* here, and 99:1"):
        server.let_in()
    server.backup["versions"] = {"rsync": "0.1"}
    assert server.let_in() == "arriving"


def test_room_is_asked_for_first(server: Server) -> None:
    server.backup["bulk"][0]["bytes"] = 1 << 60
    with pytest.raises(RefusedError, match="not enough free space"):
        server.let_in()
    assert json.dumps(server.arrival.pending()) == "null"
