"""The commands an administrator runs beside the service."""

from __future__ import annotations

import json
import shutil


def test_backups_are_listed(school):
    laptop, other = school.laptop("SHC00700123"), school.laptop("SHC00700124")
    laptop.entry(1)
    laptop.back_up()
    other.bring(other.journal)
    rows = {row["serial"]: row for row in json.loads(school.command("backups", "--json").stdout)}
    row = rows["SHC00700123"]
    assert (row["snapshots"], row["nick"], row["identity"]) == (1, "Ñusta", laptop.home.name)
    assert row["last_backup"].replace("T", "_").rstrip("Z") == laptop.snapshots()[0].removeprefix("datastore-")
    assert row["bytes"] > 0
    assert (rows["SHC00700124"]["snapshots"], rows["SHC00700124"]["last_backup"]) == (0, None)
    text = school.command("backups").stdout
    assert "SHC00700123" in text
    assert "never" in text


def test_without_backups(idle_school):
    done = idle_school.command("backups")
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)  # there are no registrations either
    idle_school.laptop()
    done = idle_school.command("backups")
    assert (done.returncode, done.stdout) == (0, "No laptop has backed up yet.\n")
    assert idle_school.command("purge-backups").returncode == 0


def test_a_new_laptop_gets_the_whole_journal_of_the_old_one(school):
    old, new = school.laptop("SHC00700123", "dsa"), school.laptop("SHC00700999")
    for number in range(5):
        old.entry(number, f"text {number}")
    old.back_up()
    done = school.command("adopt", "SHC00700123", "SHC00700999")
    assert done.returncode == 0, done.stderr
    (listed,) = json.loads(new.run("snapshots").stdout)
    back = new.folder / "back"
    assert new.rsync("-rlt", f"127.0.0.1:snapshots/{listed['snapshot']}/", str(back)).returncode == 0
    assert sorted(path.read_text() for path in back.glob("??/*/data")) == [f"text {number}" for number in range(5)]
    # The old one keeps its own, and what the new one does later changes nothing in it.
    shutil.rmtree(old.journal)
    new.entry(9)
    new.back_up()
    assert len(old.snapshots()) == 1
    assert len(list((old.home / old.snapshots()[0]).glob("??/*/data"))) == 5
    assert school.command("adopt", "SHC00700123", "SHC00700999").stdout.count(" 0 backups") == 1


def test_adopting_what_is_not_there(school):
    laptop = school.laptop("SHC00700123")
    laptop.back_up()
    for words, why in (
        (("SHC00700999", "SHC00700123"), "No laptop called SHC00700999"),
        (("SHC00700123", "nobody"), "No laptop called nobody"),
        (("SHC00700123", "SHC00700123"), "are the same"),
    ):
        done = school.command("adopt", *words)
        assert done.returncode == 1
        assert why in done.stderr
        assert "Traceback" not in done.stderr


def test_two_of_one_name_have_to_be_told_apart(school):
    one, two = school.laptop("SHF00000000", "dsa"), school.laptop("SHF00000000", "rsa")
    one.back_up()
    two.back_up()
    new = school.laptop("SHC00700999")
    done = school.command("adopt", "SHF00000000", new.serial)
    assert done.returncode == 1
    assert one.home.name in done.stderr
    assert two.home.name in done.stderr
    assert school.command("adopt", one.home.name, new.serial).returncode == 0


def test_a_link_to_restore_from(school):
    laptop = school.laptop("SHC00700123")
    laptop.back_up()
    school.configure("[server]\nfqdn = school.example.pe\n")
    link = school.command("restore-link", "SHC00700123").stdout.strip()
    assert link.startswith("http://school.example.pe/ds-restore/SHC00700123?token=")
    assert (school.state / "restore.key").stat().st_mode & 0o777 == 0o600


def test_all_backups_of_one_laptop_are_removed_and_of_no_other_with_its_serial(school):
    gone, stays = school.laptop("SHF00000000"), school.laptop("SHF00000000")
    for laptop in (gone, stays):
        laptop.entry(1)
        laptop.back_up()
    by_serial = school.command("remove-backups", "SHF00000000")
    assert (by_serial.returncode, by_serial.stdout) == (0, "SHF00000000: no backups.\n")
    assert gone.snapshots()
    done = school.command("remove-backups", gone.home.name)
    assert done.stdout == f"{gone.home.name}: all backups were removed.\n"
    assert not gone.home.exists()
    assert len(stays.snapshots()) == 1
    assert [row["identity"] for row in json.loads(school.command("backups", "--json").stdout)] == [stays.home.name]
    again = school.command("remove-backups", gone.home.name)
    assert (again.returncode, again.stdout) == (0, f"{gone.home.name}: no backups.\n")
    # It comes again, as a laptop that never was here.
    gone.back_up()
    assert len(gone.snapshots()) == 1
