"""Every way in which a stick can be wrong: refused by name, and the server as it was, byte for byte."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sugar_deploy.bundle.install import room, run
from sugar_deploy.bundle.install import stick as stick_module
from sugar_deploy.bundle.install.run import Wish
from sugar_deploy.bundle.install.server import Server
from sugar_deploy.errors import UsageError
from tests.unit.bundle_install.conftest import MakeStick, attempt, refused
from tests.unit.bundle_install.sticks import tree


def test_another_deployment(make_stick: MakeStick, installed: Server) -> None:
    stick = make_stick(serial=4, signed=("foreign",), fields={"deployment": "quito"}).write()
    refused(installed, stick, "of the deployment quito, and this server belongs to lima")


def test_another_deployment_than_the_one_that_apt_has(make_stick: MakeStick, server: Server) -> None:
    sources = server.root / "etc/apt/sources.list.d"
    sources.mkdir(parents=True)
    (sources / "debian.sources").write_text("Types: deb\n")
    (sources / "quito.sources").write_text("# The deployment's own packages, kept by sugar-deploy.\nTypes: deb\n")
    refused(server, make_stick().write(), "of the deployment lima, and this server belongs to quito")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"suites": ["trixie"]}, "for trixie, and this server runs bookworm"),
        ({"architectures": ["armhf", "i386"]}, "for armhf, i386, and this server is amd64"),
        ({"schools": ["plaza", "feria"]}, "for plaza, feria, and this server is san-martin"),
        ({"created_at": "2090-01-01T00:00:00Z"}, "made on 2090-01-01 00:00 UTC"),
        ({"since": {"snapshot": "444444444444", "serial": 4}}, "since number 4.*this server has number 3"),
    ],
)
def test_not_for_this_server_or_not_its_turn(
    make_stick: MakeStick, installed: Server, fields: dict[str, Any], message: str
) -> None:
    refused(installed, make_stick(serial=5, fields=fields).write(), message)


def test_an_older_bundle_is_refused_unless_asked_for(make_stick: MakeStick, installed: Server) -> None:
    stick = make_stick(serial=2).write()
    error = refused(installed, stick, r"older \(number 2\) than what this server has \(number 3\)")
    assert "--allow-older" in error.remedy
    attempt(installed, stick, allow_older=True)


def test_what_the_repository_in_use_says_counts_most(make_stick: MakeStick, installed: Server) -> None:
    (installed.repository / "snapshot.json").write_text('{"id": "999999999999", "serial": 9}')
    refused(installed, make_stick(serial=5).write(), r"number 5.*number 9")


def test_schools(make_stick: MakeStick, server: Server) -> None:
    stick = make_stick(fields={"schools": ["feria", "plaza"]}).write()
    assert isinstance(refused(server, stick, "for several schools: feria, plaza"), UsageError)
    assert isinstance(refused(server, stick, "no school called san-martin", school="san-martin"), UsageError)
    assert run.examine(server, Wish(stick.root, school="plaza")).school == "plaza"


def test_another_school_than_the_remembered_one(make_stick: MakeStick, installed: Server) -> None:
    stick = make_stick(serial=4, fields={"schools": ["feria", "san-martin"]}).write()
    refused(installed, stick, "this server is san-martin, not feria", school="feria")
    assert run.examine(installed, Wish(stick.root)).school == "san-martin"


def test_nothing_there(make_stick: MakeStick, installed: Server, tmp_path: Path) -> None:
    stick = make_stick(serial=4)
    stick.root = tmp_path / "nowhere"
    refused(installed, stick, "there is nothing at")
    stick.root.mkdir()
    refused(installed, stick, "there is no bundle in")
    (tmp_path / "file").touch()
    stick.root = tmp_path / "file"
    refused(installed, stick, "is no folder")


@pytest.mark.parametrize("name", ["MANIFEST.json", "MANIFEST.json.asc"])
def test_half_copied_without_its_manifest(make_stick: MakeStick, installed: Server, name: str) -> None:
    stick = make_stick(serial=4).write()
    (stick.folder / name).unlink()
    refused(installed, stick, "only half copied: its manifest")


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def linked(path: Path) -> None:
    path.unlink()
    path.symlink_to("/etc/passwd")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(("damage", "message"), [
    (Path.unlink, "missing: {}"), (half, "wrong size: {}"), (linked, "wrong size: {}"), (folder, "wrong size: {}"),
])  # fmt: skip
@pytest.mark.parametrize(
    "name", ["project.tar", "repository/pool/main/prosody_1.deb", "repository/dists/bookworm/InRelease"]
)
def test_half_copied(
    make_stick: MakeStick, installed: Server, damage: Callable[[Path], None], message: str, name: str
) -> None:
    stick = make_stick(serial=4).write()
    damage(stick.folder / name)
    refused(installed, stick, "only half copied.*" + message.format(name))


@pytest.mark.parametrize(
    "name",
    [
        "project.tar",
        "sbom.json",
        "wheels/bookworm-amd64.txt",
        "repository/pool/main/chrony_1.deb",
        "repository/snapshot",
    ],
)
def test_tampered_with(make_stick: MakeStick, installed: Server, name: str) -> None:
    stick = make_stick(serial=4).write()
    path = stick.folder / name
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])
    refused(installed, stick, f"{name} on the stick is damaged or was tampered with")


@pytest.mark.parametrize("name", ["project.tar", "wheels/bookworm-amd64.txt", "repository/dists/bookworm/InRelease"])
def test_without_a_part(make_stick: MakeStick, installed: Server, name: str) -> None:
    stick = make_stick(serial=4)
    del stick.files[name]
    refused(
        installed, stick.write(), "holds no project or no repository|brings no sugar-deploy for bookworm on amd64"
    )


def test_what_only_a_repository_may_leave_to_the_server(make_stick: MakeStick, installed: Server) -> None:
    stick = make_stick(serial=4, fields={"since": {"snapshot": "333333333333", "serial": 3}})
    stick.held = {"wheels/click.whl": b""}
    refused(installed, stick.write(), r"leaves wheels/click\.whl to the server")


def test_a_stick_pulled_out_while_it_is_read(make_stick: MakeStick, installed: Server) -> None:
    stick = make_stick(serial=4).write()
    before = tree(installed.root)
    bundle = run.examine(installed, Wish(stick.root))
    done: list[int] = []

    def pull(now: int, _total: int) -> None:
        done.append(now)
        if len(done) == 3:
            stick.root.rename(stick.root.with_name("away"))

    with pytest.raises(stick_module.Unreadable, match="Was it pulled out") as caught:
        run.take(installed, bundle, pull)
    assert "No such file" in caught.value.message
    after = tree(installed.root)
    kept = {path for path in after if path not in before}
    assert kept
    assert all(path.startswith("var/lib/sugar-deploy/.incoming") for path in kept)
    assert {path: after[path] for path in before} == before
    # Back again: what was copied is not read from the stick a second time.
    stick.root.with_name("away").rename(stick.root)
    copied = [path for path in installed.incoming.rglob("*") if path.is_file()]
    for path in copied:
        (stick.folder / path.relative_to(installed.incoming)).write_bytes(b"?" * path.stat().st_size)
    times = {path: path.stat().st_mtime_ns for path in copied}
    attempt(installed, stick)
    assert {path: path.stat().st_mtime_ns for path in copied} == times


def test_a_bad_block(make_stick: MakeStick, installed: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    stick = make_stick(serial=4).write()
    opened = os.open

    def bad(path: Any, flags: int, *more: Any) -> int:
        # This file of the kernel's answers EIO to a read at its beginning.
        return opened("/proc/self/mem" if str(path).endswith("prosody_1.deb") else path, flags, *more)

    monkeypatch.setattr(stick_module.os, "open", bad)
    with pytest.raises(stick_module.Unreadable, match="Input/output error"):
        attempt(installed, stick)
    assert not installed.record.with_name("project").exists()


INDEX = """\
Package: prosody
Version: 1
Installed-Size: 4000
Filename: pool/main/prosody_1.deb

Package: chrony
Version: 1
Installed-Size: 700000
Filename: pool/main/chrony_1.deb

Package: python3
Version: 3.11
Installed-Size: 500000
Filename: pool/main/python3_3.11.deb

Package: pypy
Version: 3.11
Installed-Size: 6000
Filename: pool/main/pypy_3.11.deb
"""
STATUS = """\
Package: python3
Status: install ok installed
Version: 3.11

Package: prosody
Status: install ok installed
Version: 0.9

Package: pypy
Status: deinstall ok config-files
Version: 3.11
"""


def test_a_full_disk_is_seen_before_anything_is_copied(
    make_stick: MakeStick, installed: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is unpacked counts as Debian's index says; not what is installed, nor what number 3 has brought."""
    stick = make_stick(serial=4)
    pool, index = "repository/pool/main", "repository/dists/bookworm/main/binary-amd64/Packages"
    stick.files |= {f"{pool}/python3_3.11.deb": b"p", f"{pool}/pypy_3.11.deb": b"p", index: INDEX.encode()}
    stick.write()
    (installed.root / "var/lib/dpkg").mkdir()
    (installed.root / "var/lib/dpkg/status").write_text(STATUS)
    new = (path for path in stick.files if path.startswith("repository/") and "chrony" not in path)
    need = sum(len(stick.files[path]) for path in new) + len(stick.files["project.tar"])
    need += (4000 + 6000) * 1024 + 256 * 2**20
    need += len(stick.files["wheels/bookworm-amd64.txt"])
    monkeypatch.setattr(room, "free_bytes", lambda _folder: need - 1000)
    told = (
        r"279 MB free .*sugar-deploy, and 279 MB are needed: 1 for the files of the stick, 11 for what is installed"
    )
    refused(installed, stick, told)
    monkeypatch.setattr(room, "free_bytes", lambda _folder: need)
    attempt(installed, stick)


def test_an_index_that_is_not_what_was_signed_is_told_as_damage(make_stick: MakeStick, installed: Server) -> None:
    index = "repository/dists/bookworm/main/binary-amd64/Packages"
    stick = make_stick(serial=4)
    stick.files[index] = INDEX.encode()
    stick.write()
    (stick.folder / index).write_text(INDEX.replace("4000", "9" * 4))
    refused(installed, stick, f"{index} on the stick is damaged")


def test_each_disk_has_its_own_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    proc = Path("/proc")
    monkeypatch.setattr(room, "free_bytes", lambda folder: 10_000_000 if folder == proc else 20_000_000)
    disk = room.Need(tmp_path / "not/yet", 20_000_000, "the files of the stick")
    room.require_room((disk, room.Need(proc, 10_000_000, "what is installed")))
    with pytest.raises(stick_module.Full, match="10 MB free below /proc, and 11 MB are needed: 11 for what is inst"):
        room.require_room((disk, room.Need(proc, 10_000_001, "what is installed")))
    with pytest.raises(stick_module.Full, match=r"20 MB free .*not/yet, and 21 MB are needed"):
        room.require_room((disk, room.Need(tmp_path, 1, "more")))


def test_a_disk_that_fills_up_meanwhile(
    make_stick: MakeStick, installed: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_arguments: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(stick_module, "_copy", full)
    refused(installed, make_stick(serial=4).write(), "this server's disk is full.*Make room")


def test_what_an_earlier_attempt_left_of_another_bundle_goes(make_stick: MakeStick, installed: Server) -> None:
    attempt(installed, make_stick("first", serial=4, snapshot="444444444444").write())
    (installed.incoming / "repository/pool/main/chrony_1.deb").write_bytes(b"rotten" * 1000)
    stick = make_stick("second", serial=5, snapshot="555555555555")
    del stick.files["repository/pool/main/prosody_1.deb"]
    attempt(installed, stick.write())
    pool = installed.incoming / "repository/pool/main"
    assert {path.name: path.read_bytes() for path in pool.iterdir()} == {"chrony_1.deb": b"chrony" * 1000}
    shutil.rmtree(installed.incoming)
