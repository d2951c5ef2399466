"""When a laptop may begin, what it may ask over SSH, and what is read of a Journal that is not as it should be."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from pathlib import Path

import pytest
from sugar_server.backup import entries, xoj
from sugar_server.backup.availability import Availability
from sugar_server.backup.flush import Flush
from sugar_server.backup.settings import BackupSettings
from sugar_server.backup.tokens import Tokens
from sugar_server.backup.transfer import Completion, Download, Listing, Refused, Upload, parse

SERIAL = "SHC00700123"
UID = "3fb2b1f0-1111-4222-8333-123456789abc"


class World:
    """What the decision depends on, as it is at a moment."""

    def __init__(self, **settings: object) -> None:
        self.load, self.used, self.now = 0.0, 0.0, 1000.0
        self.snapshots: dict[str, float] = {}
        self.availability = Availability(
            BackupSettings(**settings),
            lambda serial: serial.startswith("SHC"),
            load=lambda: self.load,
            used=lambda _: self.used,
            clock=lambda: self.now,
            jitter=lambda: 0.5,
            snapshot_at=lambda _, serial: self.snapshots.get(serial, 0.0),
        )

    def ask(self, serial: str = SERIAL) -> int:
        return self.availability.ask(serial).status


def test_load_and_disk_come_first_and_who_is_unknown_last():
    world = World()
    assert (world.ask(), world.ask("ABC")) == (200, 403)
    world.load = 5.0
    assert world.ask() == 200
    world.load = 5.01
    assert (world.ask(), world.ask("ABC")) == (503, 503)
    world.load, world.used = 0, 0.9
    assert world.ask() == 200
    world.used = 0.901
    assert world.ask() == 503


def test_eleven_in_five_minutes_and_again_after_that():
    world = World()
    for number in range(11):
        assert world.ask(f"SHC{number:08}") == 200
    assert world.ask("SHC00000050") == 503
    assert world.ask("ABC") == 503
    world.now += 299
    assert world.ask("SHC00000050") == 503
    world.now += 2
    assert world.ask("SHC00000050") == 200


def test_who_has_finished_makes_room():
    world = World()
    world.snapshots["SHC00000001"] = 5.0
    for number in range(11):
        assert world.ask(f"SHC{number:08}") == 200
    assert world.ask("SHC00000050") == 503
    world.snapshots["SHC00000001"] = 6.0
    assert world.ask("SHC00000050") == 200
    assert world.ask("SHC00000051") == 503
    # The clock was set back meanwhile.
    world.snapshots["SHC00000050"] = 4.0
    assert world.ask("SHC00000051") == 200


def test_one_flush_for_all_who_came_while_another_was_under_way():
    flushed, goes_on = [], threading.Event()

    def flush(folder):
        flushed.append(folder)
        assert goes_on.wait(10)

    shared = Flush(flush)
    first = threading.Thread(target=shared, args=(Path("/first"),))
    first.start()
    while not flushed:
        time.sleep(0.01)
    others = [threading.Thread(target=shared, args=(Path("/other"),)) for _ in range(30)]
    for thread in others:
        thread.start()
    time.sleep(0.2)
    # What they brought may have missed the flush that is under way.
    assert all(thread.is_alive() for thread in others)
    goes_on.set()
    for thread in (first, *others):
        thread.join(10)
        assert not thread.is_alive()
    assert flushed == [Path("/first"), Path("/other")]


def test_a_flush_that_fails_holds_nobody_up():
    def flush(_):
        raise OSError

    shared = Flush(flush)
    for _ in range(2):
        with pytest.raises(OSError):
            shared(Path("/"))


def test_who_asks_again_counts_once():
    world = World()
    for _ in range(30):
        assert world.ask() == 200


def test_the_wait_is_bounded_and_spread():
    world = World()
    world.load = 100
    for jitter, seconds in ((0.0, 300), (1.0, 1800)):
        world.availability.jitter = lambda jitter=jitter: jitter
        assert world.availability.ask(SERIAL).retry_after_seconds == seconds


@pytest.mark.parametrize(
    ("command", "request_"),
    [
        # rsync 2.6.9, 3.0 and 3.4 as they call their server for ds-backup's options.
        (
            "rsync --server -ltrz --delete --partial --timeout=160 . datastore-current",
            Upload("datastore-current", ("-ltrz", "--delete", "--partial", "--timeout=160")),
        ),
        (
            "rsync --server -ltrze.iLs --delete --partial --timeout=160 . power-logs",
            Upload("power-logs", ("-ltrze.iLs", "--delete", "--partial", "--timeout=160")),
        ),
        (
            "rsync --server -ltrze.iLsfxCIvu --timeout=160 --delete-during --partial . documents/",
            Upload("documents", ("-ltrze.iLsfxCIvu", "--delete-during", "--partial", "--timeout=160")),
        ),
        (
            f"rsync --server -e.LsfxCIvu --timeout=10 --temp-dir /tmp . /var/lib/ds-backup/completion/{SERIAL}",
            Completion(("-e.LsfxCIvu", "--timeout=10")),
        ),
        (
            f"rsync --server --timeout=10 --temp-dir=/tmp . /var/lib/ds-backup/completion/{SERIAL}",
            Completion(("--timeout=10",)),
        ),
        (
            "rsync --server --sender -ltrze.iLsfxCIvu . snapshots/2026-01-31_12:00/",
            Download("datastore-2026-01-31_12:00", ("-ltrze.iLsfxCIvu", "--timeout=160")),
        ),
        ("snapshots", Listing()),
        # Nobody holds a session for ever.
        (
            "rsync --server -r --timeout=0 . documents",
            Upload("documents", ("-r", "--timeout=160")),
        ),
        (
            "rsync --server -r --timeout=99999 . documents",
            Upload("documents", ("-r", "--timeout=600")),
        ),
    ],
)
def test_what_laptops_ask(command, request_):
    assert parse(command, SERIAL) == request_


@pytest.mark.parametrize(
    "option",
    [
        *("--inplace", "--append", "--append-verify", "--write-devices", "--copy-devices", "--links-munge"),
        *("--backup-dir=/etc", "--partial-dir=/etc", "--temp-dir=/etc", "--link-dest=/etc", "--copy-dest=/etc"),
        *("--compare-dest=..", "--log-file=/x", "--files-from=/etc/passwd", "--only-write-batch=x", "--daemon"),
        *("--sender", "--server", "--config=/x", "--rsync-path=sh", "--remove-source-files", "--chmod=F4755"),
        *("--super", "--fake-super", "--owner", "--devices", "--hard-links", "--keep-dirlinks", "--copy-links"),
        *("--no-munge-links", "--iconv=.", "--usermap=*:root", "--debug=all", "--stop-at=1", "-D", "-k", "-K"),
        *("-L", "-esh", "-e", "-s", "-M--inplace", "-", "--", "--timeout=x", "--bwlimit=x", "--temp-dir"),
    ],
)
def test_no_other_option(option):
    for command in (
        f"rsync --server -ltrz {option} . datastore-current",
        f"rsync --server {option} -ltrz . /var/lib/ds-backup/completion/{SERIAL}",
        f"rsync --server --sender -ltrz {option} . snapshots/2026-01-31_12:00/",
    ):
        with pytest.raises(Refused):
            parse(command, SERIAL)


def put(path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def read(entry: entries.Entry) -> tuple[dict[str, object], bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(xoj.bundle(entry)))) as bundle:
        return json.loads(bundle.read(f"{entry.uid}/_metadata.json")), bundle.read(f"{entry.uid}/{entry.uid}")


@pytest.mark.parametrize("timestamp", [b"nan", b"inf", b"-1e400", b"99999999999999999999", b"x", b"", b"\xff"])
def test_values_that_are_none(tmp_path, timestamp):
    put(tmp_path / UID[:2] / UID / "metadata" / "timestamp", timestamp)
    put(tmp_path / UID[:2] / UID / "metadata" / "title", b"t")
    (listed,) = entries.listed(tmp_path)
    assert listed.summary()["title"] == "t"
    metadata, data = read(entries.find(tmp_path, UID))
    assert (metadata["title"], data) == ("t", b"")


@pytest.mark.parametrize("written", [b"", b"[]", b"{", b"[" * 100_000, b'{"title": NaN, "a": {"b": 1}, "c": "d"}'])
def test_layout_0_with_metadata_that_is_not(tmp_path, written):
    put(tmp_path / "store" / f"{UID}.metadata", written)
    put(tmp_path / "store" / UID, b"the file")
    (listed,) = entries.listed(tmp_path)
    assert listed.uid == UID
    metadata, data = read(entries.find(tmp_path, UID))
    assert data == b"the file"
    assert set(metadata) <= {"c"}


def test_no_link_is_followed(tmp_path):
    secret = tmp_path / "other" / UID[:2] / UID
    put(secret / "metadata" / "title", b"secret")
    put(secret / "data", b"secret")
    journal = tmp_path / "journal"
    journal.mkdir()
    (journal / UID[:2]).symlink_to(secret.parent)
    assert (entries.listed(journal), entries.find(journal, UID)) == ([], None)
    (journal / UID[:2]).unlink()
    (journal / UID[:2]).mkdir()
    (journal / UID[:2] / UID).symlink_to(secret)
    assert (entries.listed(journal), entries.find(journal, UID)) == ([], None)
    (journal / UID[:2] / UID).unlink()
    (journal / UID[:2] / UID).mkdir()
    (journal / UID[:2] / UID / "metadata").symlink_to(secret / "metadata")
    assert (entries.listed(journal), entries.find(journal, UID)) == ([], None)
    (journal / "store").symlink_to(tmp_path)
    assert entries.listed(journal) == []


def test_a_huge_value_is_left_out(tmp_path):
    metadata = tmp_path / UID[:2] / UID / "metadata"
    put(metadata / "title", b"t")
    put(metadata / "description", b"x" * 5_000_000)
    assert entries.find(tmp_path, UID).metadata == {"title": "t"}


def test_the_newest_entry_comes_first(tmp_path):
    for number, timestamp in ((1, b"100"), (2, b"300"), (3, b"x"), (4, b"200")):
        uid = f"{number}{UID[1:]}"
        put(tmp_path / uid[:2] / uid / "metadata" / "timestamp", timestamp)
    assert [entry.uid[0] for entry in entries.listed(tmp_path)] == ["2", "4", "1", "3"]


def test_a_bundle_is_made_in_pieces(tmp_path):
    put(tmp_path / UID[:2] / UID / "metadata" / "title", b"t")
    with (tmp_path / UID[:2] / UID / "data").open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    sizes = [len(piece) for piece in xoj.bundle(entries.find(tmp_path, UID))]
    assert sum(sizes) > 64 * 1024 * 1024
    assert max(sizes) < 1024 * 1024


@pytest.mark.parametrize("written", [None, "", "00ff", "x" * 64])
def test_a_secret_is_whole_or_made_anew(tmp_path, written):
    path = tmp_path / "restore.key"
    if written is not None:
        path.write_text(written)
    secret = Tokens.of(tmp_path).secret
    assert len(secret) == 32
    assert len(set(secret)) > 8
    assert Tokens.of(tmp_path).secret == secret
    assert path.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.iterdir()] == ["restore.key"]
