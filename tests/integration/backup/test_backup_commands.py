"""The commands an administrator runs beside the service."""

from __future__ import annotations

import json
import shutil
import subprocess


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


def test_backups_of_the_same_minute_are_given_as_well(school):
    old, new = school.laptop("SHC00700123"), school.laptop("SHC00700999")
    for laptop in (old, new):
        laptop.entry(1, laptop.serial)
        laptop.back_up()
    name = old.snapshots()[0]
    (new.home / new.snapshots()[0]).rename(new.home / name)
    for given in (1, 0):
        assert school.command("adopt", "SHC00700123", "SHC00700999").stdout.count(f" {given} backups") == 1
        texts = [next((new.home / one).glob("??/*/data")).read_text() for one in new.snapshots()]
        assert texts == ["SHC00700999", "SHC00700123"]


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


def test_one_laptops_backups_are_removed_after_a_question(school):
    laptop, other = school.laptop("SHC00700123"), school.laptop("SHC00700124")
    for one in (laptop, other):
        one.entry(1)
        one.back_up()
    fingerprint = subprocess.run(["ssh-keygen", "-lf", laptop.key], capture_output=True, text=True).stdout.split()[1]
    asked = school.command("remove-backups", fingerprint)
    assert (asked.returncode, "Remove all backups of SHC00700123 (" in asked.stdout) == (1, True)
    assert asked.stderr == "sugar-server: Nothing was removed.\n"
    assert laptop.snapshots()
    done = school.command("remove-backups", fingerprint, "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in (school.backups / "homes").iterdir()] == [other.home.name]
    assert [path.name for path in (school.backups / "users").iterdir()] == [other.serial]
    again = school.command("remove-backups", fingerprint, "--yes")
    assert (again.returncode, again.stdout) == (0, f"{fingerprint}: no backups.\n")
    # It is still registered, and begins anew.
    laptop.back_up()
    assert len(laptop.snapshots()) == 1


def test_a_home_in_use_is_not_removed_and_half_a_removal_is_finished(school):
    laptop = school.laptop()
    laptop.back_up()
    holder = subprocess.Popen(["flock", str(school.backups / "locks" / laptop.home.name), "sleep", "60"])
    try:
        busy = school.command("remove-backups", laptop.serial, "--yes")
    finally:
        holder.kill()
        holder.wait()
    assert (busy.returncode, "is backing up just now" in busy.stderr) == (1, True)
    assert laptop.snapshots()
    # As a power cut leaves it.
    rest = laptop.home.with_name(f".removing-{laptop.home.name}")
    laptop.home.rename(rest)
    assert json.loads(school.command("backups", "--json").stdout) == []
    assert school.command("purge-backups").returncode == 0
    assert not rest.exists()


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
    by_serial = school.command("remove-backups", "SHF00000000", "--yes")
    assert (by_serial.returncode, "Several laptops" in by_serial.stderr) == (1, True)
    assert gone.snapshots()
    done = school.command("remove-backups", gone.home.name, "--yes")
    assert done.stdout == f"{gone.home.name}: 1 backups were removed.\n"
    assert not gone.home.exists()
    assert len(stays.snapshots()) == 1
    assert [row["identity"] for row in json.loads(school.command("backups", "--json").stdout)] == [stays.home.name]
    # It comes again, as a laptop that never was here.
    gone.back_up()
    assert len(gone.snapshots()) == 1
