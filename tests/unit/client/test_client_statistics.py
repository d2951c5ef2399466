"""What is collected from Journals, with figures counted by hand, and what waits, is opted out of and is left out."""

from __future__ import annotations

import hashlib
import json

import pytest
from sugar_client.cli import main
from sugar_client.command import Failed
from sugar_client.profile import Profile
from sugar_client.statistics import commands, laptop, measure, settings
from sugar_client.statistics.journal import entries
from sugar_client.statistics.queue import Queue
from sugar_client.statistics.sample import Sample

from tests.journals import MIDNIGHT, entry

DAY = 86400
WRITE = "org.laptop.Write"


@pytest.fixture
def profile(tmp_path, monkeypatch):
    monkeypatch.setenv("SUGAR_HOME", str(tmp_path / "sugar"))
    monkeypatch.delenv("SUGAR_PROFILE", raising=False)
    monkeypatch.setattr(settings, "MACHINE", tmp_path / "etc" / "sugar-client.conf")
    (tmp_path / "sugar/default/datastore").mkdir(parents=True)
    return tmp_path / "sugar" / "default"


@pytest.fixture
def at(monkeypatch):
    """Sets the clock."""
    return lambda now: monkeypatch.setattr(commands.time, "time", lambda: float(now))


def usage(profile, after=0, until=MIDNIGHT + 10 * DAY):
    found = measure.usage(entries(profile / "datastore"), after, until)
    return {(sample.name, (sample.at - MIDNIGHT) // DAY): sample.fields for sample in found}


def told(capsys, *words):
    capsys.readouterr()
    assert main(["statistics", "--json", *words]) == 0
    return json.loads(capsys.readouterr().out)


def away(capsys):
    return told(capsys, "--url", "http://127.0.0.1:1")


def test_sessions_of_three_days(profile):
    # Begun on the 31st at 10:00 for 20 minutes, taken up at 12:00 for 5, and two days later for 90 s.
    times = f"{MIDNIGHT + 36000}, {MIDNIGHT + 43200}, {MIDNIGHT + 2 * DAY + 60}"
    entry(
        profile, activity=WRITE, launch_times=times, spent_times="1200, 300, 90",
        creation_time=MIDNIGHT + 36000, timestamp=MIDNIGHT + 2 * DAY + 150,
    )  # fmt: skip
    # A second text, in the last second of the 31st.
    entry(
        profile, activity=WRITE, launch_times=MIDNIGHT + DAY - 1, spent_times=30,
        creation_time=MIDNIGHT + DAY - 1, timestamp=f"{MIDNIGHT + DAY + 29}.5",
    )  # fmt: skip
    assert usage(profile) == {
        (f"activity.{WRITE}", 1): {"uptime": 1530, "instances": 3, "new": 2, "resumed": 1},
        (f"activity.{WRITE}", 3): {"uptime": 90, "instances": 1, "new": 0, "resumed": 1},
        ("journal", 1): {"creates": 2, "updates": 0},
        ("journal", 2): {"creates": 0, "updates": 1},
        ("journal", 3): {"creates": 0, "updates": 1},
    }
    assert list(usage(profile, after=MIDNIGHT + 2 * DAY)) == [(f"activity.{WRITE}", 3), ("journal", 3)]
    assert list(usage(profile, until=MIDNIGHT + DAY)) == [(f"activity.{WRITE}", 1), ("journal", 1)]


@pytest.mark.parametrize(
    ("times", "spent", "uptime", "instances", "new"),
    [
        ("{0}", "", 0, 1, 1),
        ("{0},{1}", "7", 7, 2, 1),
        ("x, {1}", "5, 6", 6, 1, 0),
        ("{0}", "999999999", DAY, 1, 1),
        ("{0}", "-60", 0, 1, 1),
        ("{0}, nan, inf", "1.9", 1, 1, 1),
    ],
)
def test_lists_that_are_damaged_or_come_from_a_clock_that_was_set(profile, times, spent, uptime, instances, new):
    launches = times.format(MIDNIGHT + 5, MIDNIGHT + 9)
    entry(profile, activity=WRITE, launch_times=launches, spent_times=spent)
    fields = {"uptime": uptime, "instances": instances, "new": new, "resumed": instances - new}
    assert usage(profile) == {(f"activity.{WRITE}", 1): fields} | (
        {("journal", 1): {"creates": 0, "updates": 1}} if instances > new else {}
    )


def test_an_entrys_copy_is_no_second_session(profile):
    for _ in range(2):
        entry(profile, activity=WRITE, launch_times=MIDNIGHT + 5, spent_times=60)
    assert usage(profile)[(f"activity.{WRITE}", 1)]["instances"] == 1


def test_what_is_no_entry_and_no_bundle_id(profile):
    entry(profile, activity="../../Mi mamá", launch_times=MIDNIGHT + 5, spent_times=60)
    entry(profile, activity=b"\xff\xfe", launch_times=b"\xff", creation_time="ayer")
    (profile / "datastore/index").mkdir()
    (profile / "datastore/version").write_text("6")
    assert usage(profile) == {}


def test_nothing_but_figures_leaves_the_laptop(profile, at, capsys):
    at(MIDNIGHT + DAY + 3600)
    entry(
        profile, activity=WRITE, launch_times=MIDNIGHT, spent_times=5, creation_time=MIDNIGHT, timestamp=MIDNIGHT,
        title="SECRETO", description="SECRETO", buddies='{"SECRETO": []}', tags="SECRETO",
    )  # fmt: skip
    shown = told(capsys, "--show")
    assert "SECRETO" not in json.dumps(shown)
    names = [sample["name"] for sample in shown["samples"]]
    assert names == [f"activity.{WRITE}", "journal", "software", "system"]
    assert {sample["at"] for sample in shown["samples"]} == {MIDNIGHT + DAY}
    assert not (profile / "school-server").exists()
    assert main(["statistics", "--show"]) == 0
    assert f"2026-01-31 activity.{WRITE} uptime=5 instances=1 new=1 resumed=0\n" in capsys.readouterr().out


def test_a_day_that_is_not_over_waits_and_a_day_is_collected_once(profile, at, capsys):
    queue = profile / "school-server" / "statistics.jsonl"
    entry(profile, activity=WRITE, launch_times=f"{MIDNIGHT + 5}, {MIDNIGHT + DAY + 5}", spent_times="5, 6")
    at(MIDNIGHT + DAY + 3600)
    assert away(capsys)["waiting"] == 3  # the activity, the disk and the software
    once = queue.read_bytes()
    assert away(capsys)["sent"] == 0
    assert queue.read_bytes() == once
    assert queue.stat().st_mode & 0o777 == 0o600
    at(MIDNIGHT + 2 * DAY + 3600)
    assert away(capsys)["waiting"] == 3 + 4  # and the next day's update
    lines = [json.loads(line) for line in queue.read_text().splitlines()]
    assert [line["fields"]["uptime"] for line in lines[1:] if line["name"] == f"activity.{WRITE}"] == [5, 6]
    assert list(queue.parent.iterdir()) == [queue]


def test_wrong_clocks(profile, at, capsys):
    for moment in (60, 86400 * 365 * 30, MIDNIGHT + 5, MIDNIGHT + 50 * DAY):
        entry(profile, activity=WRITE, launch_times=moment, spent_times=60)
    at(3600 * 24 * 365 * 30)  # the laptop believes that it is 1999
    assert "clock is wrong" in away(capsys)["message"]
    assert not (profile / "school-server").exists()
    at(MIDNIGHT + 100 * DAY)  # then that it is three months later than it is
    assert away(capsys)["waiting"] == 4
    at(MIDNIGHT + DAY + 60)
    shown = told(capsys, "--show")["samples"]
    assert [sample["at"] for sample in shown if sample["name"].startswith("activity")] == [MIDNIGHT + DAY]
    assert max(sample["at"] for sample in shown) == MIDNIGHT + DAY


def test_what_waits_is_bounded_and_damage_does_not_spread(tmp_path):
    path = tmp_path / "school-server" / "statistics.jsonl"
    now = MIDNIGHT + 450 * DAY + 5
    samples = tuple(Sample("journal", MIDNIGHT + day * DAY, {"creates": 1}) for day in range(451))
    Queue(samples, MIDNIGHT + 450 * DAY).write(path)
    kept = Queue.read(path, now)
    assert len(kept.samples) == 400
    assert kept.samples[-1].at == MIDNIGHT + 450 * DAY
    with path.open("ab") as file:
        file.write(b'{"name": "journal", "at": 1.5, "fields": {}}\n[]\n{"name": "jour\xff')
    assert Queue.read(path, now) == kept


@pytest.mark.parametrize("place", ["machine", "profile"])
def test_opting_out_deletes_what_waits_and_is_not_made_up_for(profile, at, capsys, place):
    entry(profile, activity=WRITE, launch_times=f"{MIDNIGHT + 5}, {MIDNIGHT + DAY + 5}", spent_times="5, 6")
    at(MIDNIGHT + DAY + 3600)
    assert away(capsys)["waiting"] == 3
    chosen = settings.MACHINE if place == "machine" else profile / "school-server" / "sugar-client.conf"
    chosen.parent.mkdir(exist_ok=True)
    chosen.write_text("[statistics]\nenabled = no\n")
    at(MIDNIGHT + 2 * DAY + 3600)
    said = away(capsys)
    assert (said["waiting"], "switched off" in said["message"]) == (0, True)
    assert WRITE not in (profile / "school-server" / "statistics.jsonl").read_text()
    chosen.unlink()
    assert away(capsys)["waiting"] == 0


@pytest.mark.parametrize(
    "text", ["[statistics]\nenabled = nein\n", "enabled = no\n", "[statistics]\nenabled\n", "\xff"]
)
def test_a_file_that_may_mean_no_stops_everything(profile, at, capsys, text):
    at(MIDNIGHT + DAY + 3600)
    settings.MACHINE.parent.mkdir()
    settings.MACHINE.write_bytes(text.encode("latin-1"))
    assert main(["statistics", "--show"]) == 1
    said = capsys.readouterr().err
    assert str(settings.MACHINE) in said
    assert "Correct" in said or "Write yes or no" in said
    with pytest.raises(Failed):
        settings.enabled([settings.MACHINE])


def test_the_name_is_the_hash_of_what_sugar_registers(profile):
    public = profile / "owner.key.pub"
    public.write_text("ssh-ed25519 AAAAC3 x\nssh-dss AAAAB3NzaC1kc3M= \n")
    assert laptop.names(Profile(profile))[0] == hashlib.sha1(b"AAAAB3NzaC1kc3M=").hexdigest()
    public.write_text("ssh-rsa AAAAB3NzaC1yc2E= ana@xo 1\n")
    assert laptop.names(Profile(profile)) == [hashlib.sha1(b"AAAAB3NzaC1yc2E= ana@xo 1").hexdigest()]
    public.unlink()
    assert laptop.names(Profile(profile)) == []


def test_where_the_server_is(profile, monkeypatch):
    monkeypatch.setenv("PATH", "")  # no gsettings
    assert laptop.server(Profile(profile)) == "http://schoolserver"
    Profile(profile).own.mkdir()
    (Profile(profile).own / "registration.json").write_text('{"server": "lima.example.pe:8080"}')
    assert laptop.server(Profile(profile)) == "http://lima.example.pe:8080"


def test_versions(tmp_path):
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/os-release").write_text('PRETTY_NAME="x"\nID=debian\nVERSION_ID="13"\n')
    samples = {sample.name: sample for sample in measure.machine(tmp_path, MIDNIGHT, tmp_path)}
    assert "debian 13" in samples["software"].fields
    assert samples["system"].fields["diskfree"] > 0
