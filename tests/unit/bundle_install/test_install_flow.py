"""A server from a stick, and its upgrade from a second one, by a real ansible-playbook."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from sugar_deploy.bundle.install import run
from sugar_deploy.bundle.install.order import NotForThisServer
from sugar_deploy.bundle.install.run import Wish
from sugar_deploy.bundle.install.server import Server
from sugar_deploy.bundle.manifest import BadManifest
from sugar_deploy.run.job import Outcome
from tests.unit.bundle_install.conftest import PACKAGES, MakeStick
from tests.unit.bundle_install.sticks import Key, Stick, make_key, project_tar, prolonged, tree


def install(server: Server, stick: Stick, **options: object) -> Outcome:
    """What the command does, but for installing the tool itself."""
    bundle = run.examine(server, Wish(stick.root, **options))
    taking = run.take(server, bundle, lambda _done, _total: None)
    given = run.lay_out(server, bundle, taking)
    outcome = run.apply(server, given, lambda _event, _tally: None, environment=dict(os.environ))
    if outcome.status == "done":
        # What the role `repository` does on a real server.
        link = server.state / "link"
        link.symlink_to(taking.repository)
        link.replace(server.repository)
    return outcome


def second(make_stick: MakeStick, **options: object) -> Stick:
    """What changed since the first stick, and nothing else."""
    stick = make_stick("second", serial=2, snapshot="ba9876543210", **options)
    stick.fields["since"] = {"snapshot": "0123456789ab", "serial": 1}
    stick.held = {"repository/pool/main/chrony_1.deb": stick.files.pop("repository/pool/main/chrony_1.deb")}
    del stick.files["repository/pool/main/prosody_1.deb"]
    stick.files["repository/pool/main/prosody_2.deb"] = b"prosody, the second" * 1000
    return stick


def test_a_server_is_installed_and_then_upgraded_from_what_changed(
    make_stick: MakeStick, server: Server, keys: dict[str, Key]
) -> None:
    outcome = install(server, make_stick().write())
    assert outcome.status == "done", outcome.run.log.read_text()
    assert (server.root / "mark").read_text() == "installed stick 0123456789ab"
    assert outcome.snapshot == "0123456789ab"
    record = json.loads(server.record.read_text())
    assert record.pop("installed_at").endswith("Z")
    assert record == {
        "format": 1,
        "deployment": "lima",
        "school": "san-martin",
        "snapshot": "0123456789ab",
        "serial": 1,
        "fingerprints": [keys["old"].fingerprint],
    }
    assert server.pinned("lima").read_text() == keys["old"].public
    first = server.repository.resolve()
    assert {path.name: path.read_bytes() for path in (first / "pool/main").iterdir()} == PACKAGES

    outcome = install(server, second(make_stick).write())
    assert outcome.status == "done", outcome.run.log.read_text()
    assert (server.root / "mark").read_text() == "installed second ba9876543210"
    now = server.repository.resolve()
    assert {path.name for path in (now / "pool/main").iterdir()} == {"chrony_1.deb", "prosody_2.deb"}
    # What both have takes its room once.
    assert (now / "pool/main/chrony_1.deb").samefile(first / "pool/main/chrony_1.deb")
    assert server.in_use() and server.in_use().serial == 2
    assert not server.incoming.exists()


def test_the_same_stick_again_is_applied_again(make_stick: MakeStick, server: Server) -> None:
    stick = make_stick().write()
    assert install(server, stick).hosts["san-martin"].changed == 1
    again = install(server, stick)
    assert again.status == "done"
    assert again.hosts["san-martin"].changed == 0
    assert json.loads(server.record.read_text())["serial"] == 1


def test_a_failed_run_is_not_recorded_and_the_next_one_carries_on(make_stick: MakeStick, server: Server) -> None:
    assert install(server, make_stick().write()).status == "done"
    record = server.record.read_bytes()
    (server.root / "mark.fail").touch()
    stick = second(make_stick).write()
    outcome = install(server, stick)
    assert outcome.status == "failed"
    assert outcome.exit_code == 1
    assert server.record.read_bytes() == record
    (server.root / "mark.fail").unlink()
    assert install(server, stick).status == "done"
    assert json.loads(server.record.read_text())["serial"] == 2


def test_an_incremental_stick_needs_the_one_before(make_stick: MakeStick, server: Server) -> None:
    stick = second(make_stick).write()
    before = tree(server.root)
    with pytest.raises(NotForThisServer, match=r"nothing is installed here yet.*number 1 first, or use"):
        install(server, stick)
    assert tree(server.root) == before


def test_a_held_file_that_the_server_lost_is_told(make_stick: MakeStick, server: Server) -> None:
    install(server, make_stick().write())
    stick = second(make_stick).write()
    (server.repository.resolve() / "pool/main/chrony_1.deb").write_bytes(b"rotten" * 1000)
    before = tree(server.root)
    with pytest.raises(BadManifest, match=r"lacks repository/pool/main/chrony_1\.deb.*complete bundle"):
        install(server, stick)
    assert tree(server.root) == before


def test_the_stick_is_not_needed_any_more_once_it_is_taken(make_stick: MakeStick, server: Server) -> None:
    stick = make_stick().write()
    bundle = run.examine(server, Wish(stick.root))
    taking = run.take(server, bundle, lambda _done, _total: None)
    shutil.rmtree(stick.root)
    given = run.lay_out(server, bundle, taking)
    outcome = run.apply(server, given, lambda _event, _tally: None, environment=dict(os.environ))
    assert outcome.status == "done"
    assert server.installed() is not None


@pytest.mark.parametrize("overlap", [("old", "new"), ("new", "old")])
def test_a_new_key_becomes_trusted_by_a_stick_that_both_have_signed(
    make_stick: MakeStick, server: Server, keys: dict[str, Key], overlap: tuple[str, str]
) -> None:
    install(server, make_stick().write())
    later = make_stick("later", signed=("new",), serial=3, snapshot="cccccccccccc").write()
    before = tree(server.root)
    with pytest.raises(BadManifest, match=r"signed by another key.*this server trusts.*both keys"):
        install(server, later)
    assert tree(server.root) == before
    assert (
        install(server, make_stick("both", signed=overlap, serial=2, snapshot="bbbbbbbbbbbb").write()).status
        == "done"
    )
    assert set(server.installed().fingerprints) == {keys["old"].fingerprint, keys["new"].fingerprint}
    assert install(server, later).status == "done"
    assert server.pinned("lima").read_text() == keys["new"].public


def test_apt_s_own_copy_of_the_key_counts_on_a_server_that_was_deployed_over_ssh(
    make_stick: MakeStick, server: Server, keys: dict[str, Key]
) -> None:
    keyrings = server.root / "etc/apt/keyrings"
    keyrings.mkdir(parents=True)
    (keyrings / "lima.asc").write_text(keys["old"].public)
    assert run.examine(server, Wish(make_stick().write().root)).proof.known
    with pytest.raises(BadManifest, match="signed by another key"):
        run.examine(server, Wish(make_stick("other", signed=("foreign",)).write().root))


def test_nobody_is_known_to_a_new_server(make_stick: MakeStick, server: Server, keys: dict[str, Key]) -> None:
    stick = make_stick().write()
    assert not run.examine(server, Wish(stick.root)).proof.known
    spaced = " ".join([keys["old"].fingerprint[:20], keys["old"].fingerprint[20:].lower()])
    assert run.examine(server, Wish(stick.root, fingerprint=spaced)).proof.known
    with pytest.raises(BadManifest, match="not by"):
        run.examine(server, Wish(stick.root, fingerprint=keys["new"].fingerprint))


def test_a_project_leads_nowhere_but_into_its_folder(make_stick: MakeStick, server: Server, tmp_path: Path) -> None:
    for name, kind in (("../outside", tarfile.REGTYPE), ("/outside", tarfile.REGTYPE), ("link", tarfile.SYMTYPE)):
        stick = make_stick(f"stick-{len(name)}-{kind.decode()}")
        stick.files["project.tar"] = project_tar({}, ["san-martin"])
        archive = tmp_path / "odd.tar"
        with tarfile.open(archive, "w") as tar:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, "/etc"
            tar.addfile(member)
        stick.files["project.tar"] = archive.read_bytes()
        with pytest.raises(BadManifest, match="which is no file of it"):
            install(server, stick.write())
    assert not list(tmp_path.rglob("outside"))
    assert not server.project.exists()


def test_a_key_that_expired_here_counts_again_once_the_stick_brings_it_prolonged(
    make_stick: MakeStick, server: Server, keys: dict[str, Key], tmp_path: Path
) -> None:
    # Bound on this day, which lies in the past.
    short = make_key(tmp_path / "short", "short", expires="20260201T000000")
    server.pinned("lima").parent.mkdir(parents=True)
    server.pinned("lima").write_text(short.public)
    stick = make_stick()
    stick.keys = (short,)
    with pytest.raises(BadManifest, match="the signing key has expired; is this server's clock right"):
        run.examine(server, Wish(stick.write().root))
    longer = prolonged(short)
    stick.keys = (longer,)
    proof = run.examine(server, Wish(stick.write().root)).proof
    assert proof.known
    assert proof.signers == (short.fingerprint,)
    # A stranger's key on the stick makes nobody known.
    stick.keys = (keys["foreign"],)
    with pytest.raises(BadManifest, match="signed by another key"):
        run.examine(server, Wish(stick.write().root))
    subprocess.run(["gpgconf", "--homedir", str(short.home), "--kill", "all"], check=True)


def test_the_same_stick_again_mends_what_has_rotted_on_the_disk(make_stick: MakeStick, server: Server) -> None:
    stick = make_stick().write()
    install(server, stick)
    rotten = server.repository.resolve() / "pool/main/prosody_1.deb"
    rotten.write_bytes(b"?" * rotten.stat().st_size)
    assert install(server, stick).status == "done"
    assert (server.repository.resolve() / "pool/main/prosody_1.deb").read_bytes() == PACKAGES["prosody_1.deb"]
    assert [path.name for path in server.state.iterdir() if "rotten" in path.name] == []
