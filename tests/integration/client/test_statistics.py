"""A laptop reports to a running school server, whose sums come out."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import jinja2
import pytest

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.scenario.resolve import resolve
from sugar_deploy.scenario.variables import SugarServerVariables
from tests.integration.server.conftest import new_server
from tests.integration.server.laptop import made_up_key, register
from tests.journals import entry

TEMPLATE = Path(__file__).parents[3] / "roles" / "sugar_server" / "templates" / "sugar-server.conf.j2"
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
    with new_server() as server:
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


def session(profile, at, seconds):
    """One more session of Write."""
    entry(
        profile, activity=WRITE, launch_times=str(at), spent_times=str(seconds), creation_time=at,
        timestamp=at + seconds,
    )  # fmt: skip


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


def switched(school, *, on):
    """The server with what the role writes for a deployment file that has statistics on or off."""
    document = {"version": 1, "name": "peru", "title": "Perú", "services": {"statistics": {"enabled": on}}}
    lima = {"scenario": "offline-server", "role": "master", "server": {"address": "192.0.2.1"}}
    lima["lan"] = {"interface": "eth1", "address": "172.18.96.1/19"}
    (host,) = resolve(Deployment.model_validate({**document, "schools": {"lima": lima}})).hosts
    (daemon,) = (own for own in host.variables if isinstance(own, SugarServerVariables))
    given = {f"sugar_server__{name}": value for name, value in daemon.model_dump(mode="json").items()}
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["regex_replace"] = lambda text, old, new: re.sub(old, new, text)
    text = environment.from_string(TEMPLATE.read_text()).render(
        given, sugar_server__has_rooms=True, sugar_server__folder=""
    )
    school.stop()
    school.configure(text)
    school.start()


def test_what_the_deployment_opts_out_of_is_not_collected_either(school, profile, report, tmp_path):
    key = made_up_key()
    give_key(profile, f"ssh-rsa {key}\n")
    register(school.url, "SHC00700123", "Ñusta", "", key)
    assert report("http://127.0.0.1:1")["waiting"] == 6
    switched(school, on=False)
    said = report(school.url)
    assert (said["sent"], said["waiting"]) == (0, 0)
    assert "wants no statistics" in said["message"]
    kept = profile / "school-server" / "statistics.jsonl"
    assert WRITE not in kept.read_text()
    # Nor at home, where nobody is asked; an hour of Write yesterday stays untold.
    session(profile, TODAY - DAY + 10800, 3600)
    kept.write_text(kept.read_text().replace(str(TODAY), str(TODAY - 2 * DAY)))
    assert report("http://127.0.0.1:1")["waiting"] == 0
    assert WRITE not in kept.read_text()
    shown = report("http://127.0.0.1:1", "--show")
    assert shown["samples"] == []
    # Whoever brings something nevertheless is refused, and no sum is made of it.
    guid = hashlib.sha1(key.encode()).hexdigest()
    body = {"name": f"activity.{WRITE}", "values": [[TODAY, {"uptime": 60}]]}
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{school.url}/user/{guid}?cmd=stats-upload", json.dumps(body).encode(), timeout=10)
    assert sums(school) == {}
    # Wanted again, it begins again, without the days in between.
    switched(school, on=True)
    assert report(school.url)["sent"] == 0
    kept.write_text(kept.read_text().replace(str(TODAY), str(TODAY - DAY)))
    assert report(school.url)["sent"] > 0
    assert (1, f"activity.{WRITE}", "uptime") in sums(school)
