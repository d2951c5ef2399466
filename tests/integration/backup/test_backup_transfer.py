"""ds-backup's transfers, with the real clients of both generations: what is let in, and nothing else."""

from __future__ import annotations

import subprocess

import pytest


@pytest.mark.parametrize("kind", ["dsa", "rsa", "ed25519"])
def test_a_whole_backup_with_every_key_type(any_school, kind):
    laptop = any_school.laptop(kind=kind)
    entry = laptop.entry(1, "first")
    laptop.back_up()
    for folder in ("power-logs", "documents"):
        done = laptop.bring(laptop.journal, folder)
        assert done.returncode == 0, done.stderr
        assert (laptop.home / folder / entry.relative_to(laptop.journal) / "data").read_text() == "first"
    (snapshot,) = laptop.snapshots()
    kept = laptop.home / snapshot / entry.relative_to(laptop.journal) / "data"
    assert kept.read_text() == "first"
    assert kept.samefile(laptop.home / "datastore-current" / entry.relative_to(laptop.journal) / "data")
    assert (laptop.home / "datastore-latest").readlink().name == snapshot
    assert (any_school.backups / "users" / laptop.serial / snapshot).is_dir()


REFUSED = [
    "id",
    "",
    "rsync --server --sender -ltre.LsfxCIvu . datastore-current",
    "rsync --server --sender -ltre.LsfxCIvu . /etc",
    "rsync --server -ltrze.iLsfxCIvu --inplace . datastore-current",
    "rsync --server -ltrze.iLsfxCIvu --append . datastore-current",
    "rsync --server -ltrze.iLsfxCIvu . /tmp",
    "rsync --server -ltrze.iLsfxCIvu . datastore-current/..",
    "rsync --server -ltrze.iLsfxCIvu . ../x",
    "rsync --server -ltrze.iLsfxCIvu . datastore-2026-01-01_10:00",
    "rsync --server -ltrze.iLsfxCIvu . datastore-latest",
    "rsync --server -ltrze.iLsfxCIvu . /var/lib/ds-backup/completion/SHC00700124",
    "rsync --server -ltrze.iLsfxCIvu . /var/lib/ds-backup/completion/",
    "rsync --server -ltrze.iLsfxCIvu --log-file=/tmp/x . datastore-current",
    "rsync --server -ltrze.iLsfxCIvu --link-dest=/etc . datastore-current",
    "rsync --server -ltrze.iLsfxCIvu --no-munge-links . datastore-current",
    "rsync --server -ltrDze.iLsfxCIvu . datastore-current",
    "rsync --server -sltrze.iLsfxCIvu",
    "rsync --server --daemon .",
    "rsync --server -ltrze.iLsfxCIvu . datastore-current; id",
    "rsync --server -ltrze.iLsfxCIvu . $(id)",
    "rsync --server -ltrze.iLsfxCIvu . datastore-current\nid",
    "/bin/sh -c id",
    "scp -t datastore-current",
    "snapshots",
]


@pytest.mark.parametrize("kind", ["dsa"])
def test_nothing_else_is_served(school, kind):
    laptop = school.laptop(kind=kind)
    laptop.entry(1)
    laptop.back_up()
    for command in REFUSED:
        done = laptop.run(command)
        assert done.returncode == 1, command
        assert done.stdout == "", command
        assert "school server: " in done.stderr, command
        assert "uid=" not in done.stderr, command
    assert "Traceback" not in school.log.read_text()


def test_no_sftp_scp_pty_agent_or_forwarding(school, tmp_path):
    laptop = school.laptop()
    sftp = ["sftp", *laptop.ssh("127.0.0.1")[1:]]
    sftp[sftp.index("-p")] = "-P"
    sftp = [word for at, word in enumerate(sftp) if word != "-l" and sftp[at - 1] != "-l"]
    sftp[-1] = f"{laptop.serial}@127.0.0.1"
    done = subprocess.run(sftp, input="ls /\n", capture_output=True, text=True, timeout=30)
    assert done.returncode != 0
    assert "etc" not in done.stdout
    done = subprocess.run(
        [*laptop.ssh("-tt", "127.0.0.1")], capture_output=True, text=True, timeout=30, stdin=subprocess.DEVNULL
    )
    assert done.returncode != 0
    for forwarding in (["-W", f"127.0.0.1:{school.port}"], ["-o", "ExitOnForwardFailure=yes", "-N", "-R", "0:x:1"]):
        done = subprocess.run(
            [*laptop.ssh(*forwarding), "127.0.0.1"],
            capture_output=True,
            text=True,
            timeout=30,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 255, forwarding
    # Local forwarding is refused when it is made use of: nothing of the server's own ports comes through.
    assert b"SSH-2.0" not in done.stdout.encode()


def test_only_registered_keys_with_their_own_serial(school):
    laptop, other = school.laptop("SHC00700123"), school.laptop("SHC00700124")
    stranger = type(laptop)(school, "SHC00700123", "ed25519")
    assert "Permission denied" in stranger.bring(stranger.journal).stderr
    laptop.serial = other.serial
    assert "Permission denied" in laptop.bring(laptop.journal).stderr
    assert not list(school.backups.glob("homes/*"))


def test_two_children_with_one_serial_have_two_homes(school):
    one, two = school.laptop("SHF00000000", "dsa"), school.laptop("SHF00000000", "rsa")
    one.entry(1, "one")
    two.entry(1, "two")
    one.back_up()
    two.back_up()
    texts = {path.read_text() for path in school.backups.glob("homes/*/datastore-latest/*/*/data")}
    assert texts == {"one", "two"}
    links = sorted((school.backups / "users").iterdir())
    assert [link.resolve() for link in links] == [one.home, two.home]
    assert [link.name for link in links] == ["SHF00000000", f"SHF00000000-{two.home.name[:8]}"]


def test_a_new_serial_moves_the_name_and_keeps_the_backups(school):
    laptop = school.laptop("ABC12345678")
    laptop.entry(1)
    laptop.back_up()
    first = laptop.snapshots()
    laptop.serial = "XYZ87654321"
    school.register(laptop)
    laptop.back_up()
    assert set(first) <= set(laptop.snapshots())
    assert [link.name for link in (school.backups / "users").iterdir()] == ["XYZ87654321"]


def test_a_planted_link_leads_nowhere(school):
    victim, thief = school.laptop("SHC00700123"), school.laptop("SHC00700124")
    victim.entry(1, "secret")
    victim.back_up()
    uid = victim.entry(1, "secret").name
    for name, target in (
        ("up", "../.."),
        ("away", str(victim.home)),
        ("etc", "/etc"),
        (uid[:2], str(victim.home / "datastore-current" / uid[:2])),
    ):
        (thief.journal / name).symlink_to(target)
    assert thief.bring(thief.journal).returncode == 0
    stored = thief.home / "datastore-current"
    assert not any((stored / name).exists() for name in ("up", "away", "etc", uid[:2]))
    # Now a folder of the same name: what rsync writes may not go through the link.
    (thief.journal / "away").unlink()
    (thief.journal / "away" / "datastore-current").mkdir(parents=True)
    (thief.journal / "away" / "datastore-current" / "planted").write_text("x")
    assert thief.bring(thief.journal).returncode == 0
    assert not list(victim.home.rglob("planted"))
    # A modern laptop gets its links back as they were.
    thief.complete()
    back = thief.folder / "back"
    done = thief.rsync("-rlt", f"127.0.0.1:snapshots/{thief.snapshots()[0]}/", str(back))
    assert done.returncode == 0, done.stderr
    assert str((back / "etc").readlink()) == "/etc"


def test_links_that_are_already_there_lead_nowhere(school):
    """As a fault in rsync, or a backup taken over from an old server, could leave them."""
    victim, thief = school.laptop("SHC00700123"), school.laptop("SHC00700124")
    victim.entry(1)
    victim.back_up()
    thief.back_up()
    (thief.home / "datastore-current" / "sub").symlink_to(victim.home / "datastore-current")
    (thief.journal / "sub").mkdir()
    (thief.journal / "sub" / "planted").write_text("x")
    thief.bring(thief.journal)
    assert not list(victim.home.rglob("planted"))


def test_modes_on_the_server_are_the_servers(school):
    laptop = school.laptop()
    data = laptop.entry(1) / "data"
    data.chmod(0)
    data.parent.chmod(0o777)
    laptop.back_up()
    kept = laptop.home / "datastore-latest" / data.relative_to(laptop.journal)
    assert kept.stat().st_mode & 0o777 == 0o640
    assert kept.parent.stat().st_mode & 0o777 == 0o750
