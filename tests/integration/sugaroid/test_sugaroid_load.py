"""`sugaroid load` against the real services: what a seed says is done, and what fails is red."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.bundles import activity

from .services import Services

LAPTOPS = ("--laptops", "12", "--seed", "a", "--compress", "600")


@pytest.fixture(scope="module")
def host_keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys"


def start(services: Services, host_keys: Path, backup: str = "") -> Services:
    """A school that takes all laptops at once."""
    services.configure(backup=backup or "most_recent_laptops = 1000")
    activity(services.library / "paint.xo", files={"data": bytes(range(256)) * 4000})
    if host_keys.is_dir():
        shutil.copytree(host_keys, services.backups / "keys")
    services.start()
    services.start_backups()
    if not host_keys.is_dir():
        shutil.copytree(services.backups / "keys", host_keys)
    return services


def done(figures: dict[str, Any]) -> dict[str, int]:
    return {name: each["done"] for name, each in figures.items()}


def entries(folder: Path) -> list[str]:
    """The uids in a datastore, found without our code."""
    return sorted(path.parent.name for path in folder.glob("??/*/metadata"))


def test_all_is_done_that_the_plan_says_and_no_more(services: Services, host_keys: Path, tmp_path: Path) -> None:
    start(services, host_keys)
    plan = json.loads(services.sugaroid("load", *LAPTOPS, "--plan", "--json").stdout)
    again = json.loads(services.sugaroid("load", *LAPTOPS, "--plan", "--json").stdout)
    assert plan == again
    assert plan != json.loads(services.sugaroid("load", *LAPTOPS[:3], "b", "--plan", "--json").stdout)

    ran = services.sugaroid("load", *LAPTOPS, "--json", "--folder", str(tmp_path / "laptops"))
    assert (ran.returncode, ran.stderr) == (0, ""), ran.stdout
    report = json.loads(ran.stdout)
    planned = [name for laptop in plan for name, _ in laptop["deeds"]]
    new = sum(laptop["new"] for laptop in plan)
    assert 0 < new < 12
    assert done(report["day_before"]["figures"]) == {"registration": 12 - new, "first backup": 12 - new}
    morning = report["morning"]["figures"]
    others = ("registration", "activities", "bundle", "statistics", "page", "restore")
    assert {name: morning[name]["done"] for name in others} == {name: planned.count(name) for name in others}
    assert (morning["first backup"]["done"], morning["backup"]["done"]) == (new, 12 - new)
    assert morning["bundle"]["bytes"] >= (services.library / "paint.xo").stat().st_size

    # What the server has: each laptop's Journal and snapshots, as many entries as the plan says.
    for laptop in plan:
        home = services.backups / "users" / laptop["serial"]
        brought = entries(tmp_path / "laptops" / laptop["serial"] / "datastore")
        assert len(brought) == laptop["entries"] + (0 if laptop["new"] else laptop["added"])
        assert entries(home / "datastore-current") == entries(home / "datastore-latest") == brought
        assert len([path for path in home.glob("datastore-2*") if path.is_dir()]) == (1 if laptop["new"] else 2)
    with sqlite3.connect(services.state / "registrations.db") as database:
        known = {fingerprint for (fingerprint,) in database.execute("SELECT fingerprint FROM registrations")}
    assert known == {each["fingerprint"] for each in report["identities"]}
    assert len(known) == 12

    # As `sugar-deploy verify` does afterwards.
    for command in (["remove-backups", "--yes"], ["forget", "--if-registered"]):
        forgotten = services.sugar_server(*command, *services.root, *sorted(known), "SHA256:" + "x" * 43)
        assert forgotten.returncode == 0, forgotten.stderr
    assert list((services.backups / "homes").iterdir()) == []
    assert "No laptop has registered yet." in services.sugar_server("registrations").stdout


def test_a_stopped_service_is_red_and_the_others_are_not(services: Services, host_keys: Path, tmp_path: Path) -> None:
    start(services, host_keys)
    services.running[1].send_signal(signal.SIGTERM)
    services.running[1].wait(20)
    names = tmp_path / "names"
    ran = services.sugaroid("load", *LAPTOPS, "--services", "registration,backup,updates", "--identities", str(names))
    assert (ran.returncode, ran.stderr) == (1, "")
    tables = ran.stdout.partition("the morning")[2]
    rows = {line[:16].strip(): (line[16:23].strip(), line[23:31].strip()) for line in tables.splitlines()}
    assert rows["activities"] == ("12", "0")
    assert (rows["backup"][0], rows["first backup"][0]) == ("0", "0")
    assert int(rows["backup"][1]) + int(rows["first backup"][1]) == 12
    assert "Connection refused" in ran.stdout
    assert len(set(names.read_text().split())) == 12


def test_laptops_that_are_put_off_come_later_and_nobody_coming_is_red(services: Services, host_keys: Path) -> None:
    start(services, host_keys, backup="most_used_percent = 1")
    ran = services.sugaroid("load", *LAPTOPS, "--services", "backup", "--json")
    report = json.loads(ran.stdout)
    backup = report["morning"]["figures"]["backup"]
    assert (ran.returncode, backup["done"], backup["failed"], backup["later"]) == (1, 0, 0, 12)
    assert report["morning"]["figures"]["may I begin"]["later"] > 12


def test_interrupted_it_tells_what_was_done(services: Services) -> None:
    services.start()
    argv = services.sugaroid_argv("load", *LAPTOPS[:4], "--compress", "1", "--services", "registration", "--json")
    process = subprocess.Popen(argv, env=services.sugaroid_environment(), stdout=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while services.log.read_text().count("Registered") < 9 and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    report = json.loads(out)
    assert (process.returncode, report["interrupted"], report["ok"]) == (130, True, False)
    # The last answers may still be on their way.
    assert 1 <= report["day_before"]["figures"]["registration"]["done"] <= 9
    assert len(report["identities"]) == 9
