"""A laptop reports to a running school server, whose sums come out."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request

import pytest

from tests.integration.server.conftest import PYTHONS, _server
from tests.integration.server.laptop import made_up_key, register
from tests.journals import entry

DAY = 86400
TODAY = int(time.time()) // DAY * DAY
WRITE = "org.laptop.Write"


@pytest.fixture
def report(laptop):
    """The command, as the package installs it, with Debian's Sugar beside it."""
    return lambda url, *words: json.loads(
        laptop.run(
            "/usr/bin/python3", laptop.root / "usr/bin/sugar-client", "statistics", "--json", "--url", url, *words
        )
    )


@pytest.fixture
def school():
    for server in _server(PYTHONS["debian"]):
        server.start()
        yield server


@pytest.fixture
def profile(laptop):
    """Two sessions of Write: 10 minutes the day before yesterday, 20 yesterday."""
    folder = laptop.home / ".sugar" / "default"
    first, second = TODAY - 2 * DAY + 7200, TODAY - DAY + 7200
    entry(
        folder, activity=WRITE, launch_times=f"{first}, {second}", spent_times="600, 1200",
        creation_time=first, timestamp=second + 1200,
    )  # fmt: skip
    return folder


def sums(school):
    with urllib.request.urlopen(school.url + "/statistics.json", timeout=10) as answer:
        days = [time.strftime("%Y-%m-%d", time.gmtime(TODAY - back * DAY)) for back in (2, 1)]
        return {
            (days.index(one["day"]), one["name"], one["field"]): (one["total"], one["laptops"])
            for one in json.loads(answer.read())
        }


def give_key(profile, line):
    (profile / "owner.key.pub").write_text(line)


def test_offline_then_unknown_then_reported_once(school, profile, report):
    key = made_up_key()
    give_key(profile, f"ssh-rsa {key} \n")
    said = report("http://127.0.0.1:1")
    assert (said["sent"], said["waiting"]) == (0, 6)
    assert "does not answer" in said["message"]
    said = report(school.url)
    assert (said["sent"], said["waiting"]) == (0, 6)
    assert "Register it" in said["message"]
    assert register(school.url, "SHC00700123", "Ñusta", "", key)["success"] == "OK"
    school.stop()  # or wait for ten seconds: so long it goes by the keys that it has read
    school.start()
    assert report(school.url)["sent"] == 6
    found = sums(school)
    sugar = subprocess.run(
        ["dpkg-query", "-Wf", "${Version}", "python3-jarabe"], capture_output=True, text=True, check=True
    ).stdout.partition("-")[0]
    free = found.pop((1, "system", "diskfree"))
    assert free[0] > 0
    said = subprocess.run(["sh", "-c", ". /etc/os-release; echo $ID $VERSION_ID"], capture_output=True, text=True)
    assert found == {
        (0, f"activity.{WRITE}", "uptime"): (600, 1),
        (0, f"activity.{WRITE}", "instances"): (1, 1),
        (0, f"activity.{WRITE}", "new"): (1, 1),
        (0, f"activity.{WRITE}", "resumed"): (0, 1),
        (0, "journal", "creates"): (1, 1),
        (0, "journal", "updates"): (0, 1),
        (1, f"activity.{WRITE}", "uptime"): (1200, 1),
        (1, f"activity.{WRITE}", "instances"): (1, 1),
        (1, f"activity.{WRITE}", "new"): (0, 1),
        (1, f"activity.{WRITE}", "resumed"): (1, 1),
        (1, "journal", "creates"): (0, 1),
        (1, "journal", "updates"): (1, 1),
        (1, "software", f"sugar {sugar}"): (1, 1),
        (1, "software", said.stdout.strip()): (1, 1),
    }
    # Also a laptop that has forgotten what it sent is counted once.
    before = sums(school)
    (profile / "school-server" / "statistics.jsonl").unlink()
    said = report(school.url)
    assert (said["sent"], said["waiting"]) == (0, 0)
    assert sums(school) == before


def test_a_laptop_that_registered_with_sugar_clients_own_key(school, profile, report):
    own = profile / "school-server"
    own.mkdir()
    keygen = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", own / "client.key"]
    subprocess.run(keygen, check=True)
    blob = (own / "client.key.pub").read_text().split()[1]
    give_key(profile, f"ssh-dss {made_up_key()}\n")
    assert register(school.url, "SHC00700123", "Ñusta", "", blob)["success"] == "OK"
    assert report(school.url)["sent"] == 6


def test_a_school_that_wants_none(school, profile, report):
    key = made_up_key()
    give_key(profile, f"ssh-rsa {key}\n")
    register(school.url, "SHC00700123", "Ñusta", "", key)
    assert report("http://127.0.0.1:1")["waiting"] == 6
    school.stop()
    school.configure("[statistics]\nenabled = no\n", "conf.d/statistics.conf")
    school.start()
    said = report(school.url)
    assert (said["sent"], said["waiting"]) == (0, 0)
    assert "wants no statistics" in said["message"]
    assert WRITE not in (profile / "school-server" / "statistics.jsonl").read_text()
