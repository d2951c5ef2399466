"""A laptop with Debian's own Sugar and its school server: all that the one gives the other, on real systemd.

The laptop takes what it needs from the school server's repository. The tests build on each other.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By

from sugar_deploy.folder import Folder
from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.laptop import ready_laptop
from sugar_deploy.lab.machine import Machine
from sugar_deploy.lab.session import bring_up, hosts
from sugar_deploy.lab.spec import LabSpec
from sugar_deploy.lab.steps import own
from sugar_deploy.lab.sugar import NICK
from tests.bundles import archive
from tests.integration.server.browser import chromium, follow, log_in, text
from tests.integration.server.test_builds_rsync import TREE, pack
from tests.scenario.laptop.child import HOME, Child

pytestmark = pytest.mark.vm
SUITE = "bookworm"
CALCULATE = "org.laptop.Calculate"
DATASTORE = f"{HOME}/.sugar/default/datastore"


@dataclass
class School:
    """Its server and a child's laptop."""

    lab: Lab
    server: Machine
    child: Child

    def says(self, *argv: str) -> str:
        """What a program on the server prints."""
        return self.server.run(argv).stdout.strip()

    def lists(self, what: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.says("sugar-server", what, "--json"))
        return found

    def backups(self, serial: str) -> dict[str, Any]:
        (found,) = (each for each in self.lists("backups") if each["serial"] == serial)
        return found


def deployment(folder: Path) -> Path:
    """As `init` writes it, with packages from Debian's mirror, which the lab has."""
    assert own(("init", str(folder), "--scenario", "offline-server")).returncode == 0
    file = Folder(folder).file
    document = yaml.safe_load(file.read_text())
    document["repository"] = {"contents": "own", "clients": True, "suites": [SUITE]}
    # The disk is that of the machine that the tests run on.
    document["services"]["backup"] = {"full_percent": 100}
    file.write_text(json.dumps(document))
    return folder


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    source = deployment(tmp_path_factory.mktemp("school") / "deployment")
    lab = bring_up(source=source, suite=SUITE, backend="nspawn", with_sugar=True)
    try:
        folder = Folder(lab.place.deployment)
        done = own(("apply", "-C", str(folder.root), "--yes"))
        assert done.returncode == 0, done.stdout + done.stderr
        (host,) = hosts(folder)
        ready_laptop(lab, host, folder)
        yield School(lab, lab.machines[host.name], Child(lab.laptop(host.name)))
    finally:
        lab.down()


def test_sugar_runs_with_the_deployments_settings(school: School) -> None:
    child = school.child
    child.logs_in()
    owner = ("busctl", "--user", "call", "org.freedesktop.DBus", "/", "org.freedesktop.DBus", "NameHasOwner", "s")
    assert child.says(*owner, "org.laptop.Shell") == "b true"
    assert child.says("gsettings", "get", "org.sugarlabs.collaboration", "jabber-server") == "'schoolserver'"
    assert child.says("gsettings", "get", "org.sugarlabs.update", "backend") == "'schoolserver.SchoolServerUpdater'"
    timers = ("sugar-client-backup.timer", "sugar-client-statistics.timer")
    assert child.says("systemctl", "--user", "is-active", *timers).split() == ["active"] * 2
    # Time does not pass by itself from here on.
    child.says("systemctl", "--user", "stop", *timers)
    assert school.lists("registrations") == []


def test_sugar_registers(school: School) -> None:
    child = school.child
    child.program("register")
    (laptop,) = school.lists("registrations")
    key = base64.b64decode(child.says("cat", f"{HOME}/.sugar/default/owner.key.pub").split()[1])
    # As OpenSSH writes it, which no longer does so for Sugar's type of key everywhere.
    fingerprint = "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")
    assert (laptop["serial"], laptop["nick"], laptop["fingerprint"]) == (child.serial, NICK, fingerprint)
    assert child.serial in child.says("gsettings", "get", "org.sugarlabs", "backup-url")


def test_the_neighborhood_shows_who_is_there(school: School) -> None:
    child = school.child
    child.laptop.run(("apt-get", "-qy", "--no-install-recommends", "install", "python3-slixmpp"), timeout_seconds=600)
    colour = child.says("gsettings", "get", "org.sugarlabs.user", "color").strip("'")
    # Whom Sugar draws of those who arrive at once, leave and come back is compared there.
    seen = child.program("neighbours", "16")
    assert seen["child"] == [[NICK, colour]] * 16
    assert max(seen["pushes"]) > 3, "nobody's arrival was told together with others'"


def test_the_timer_backs_the_journal_up_and_a_lost_one_comes_back(school: School) -> None:
    child = school.child
    before = child.program("journal", "make", "4")
    assert (before["count"], before["indexed"]) == (4, True)
    said = child.elapse("sugar-client-backup")
    assert said.startswith("success\n") and "Backed up as datastore-" in said
    assert school.backups(child.serial)["snapshots"] == 1

    refused = child.runs("sugar-client", "restore", check=False)
    assert refused.returncode == 1 and "Log out of Sugar" in refused.stderr
    child.logs_out()
    child.laptop.run(("rm", "-r", DATASTORE))
    assert "with 4 entries" in child.says("sugar-client", "restore")
    assert child.laptop.run(("test", "-e", f"{DATASTORE}/index_updated"), check=False).returncode == 1
    child.logs_in()
    assert child.program("journal", "tell") == before


def test_the_timer_reports_what_was_used(school: School) -> None:
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date().isoformat()
    said = school.child.elapse("sugar-client-statistics")
    assert said.startswith("success\n"), said
    found = [
        line.split(",")
        for line in school.says("sugar-server", "statistics", "--csv").splitlines()
        if line.startswith(f"{yesterday},activity.{CALCULATE},")
    ]
    # 4 entries, of 120 seconds each.
    assert {row[2]: row[3] for row in found}["uptime"] == "480", (said, found)


def test_sugar_updates_an_activity(school: School, tmp_path: Path) -> None:
    """Debian's Calculate, as its makers would release it next."""
    child = school.child
    image = Path(LabSpec.read(school.lab.place.spec).sugar_image)
    source = image / "usr/share/sugar/activities/Calculate.activity"
    files = {f"{source.name}/{each.relative_to(source)}": each.read_bytes() for each in source.rglob("*.*")}
    info = f"{source.name}/activity/activity.info"
    assert b"\nactivity_version = " in files[info]
    files[info] = re.sub(rb"(?m)^activity_version = .*$", b"activity_version = 999", files[info])
    school.server.put(archive(tmp_path / "new.xo", files), "/root/new.xo")
    school.says("sugar-server", "add-activity", "/root/new.xo")

    found = child.program("desktop", "manual")
    assert [(each["id"], each["version"]) for each in found["updates"]] == [(CALCULATE, "999")]
    assert found["finished"] == {"installed": [CALCULATE], "failed": [], "cancelled": False}
    assert "activity_version = 999" in child.says(
        "cat", f"{HOME}/Activities/Calculate.activity/activity/activity.info"
    )
    assert child.program("desktop", "manual")["updates"] == []


def test_olpc_updates_rsync_finds_a_build(school: School, tmp_path: Path) -> None:
    pack(tmp_path / "os801-tree.tar.xz", TREE)
    school.says("mkdir", "/root/build")
    for file in tmp_path.iterdir():
        school.server.put(file, f"/root/build/{file.name}")
    school.says("sugar-server", "publish-build", "/root/build/os801-tree.tar.xz")
    listed = school.child.says("rsync", "--list-only", "--recursive", "rsync://schoolserver/build-801/")
    modes = {line.split()[-1]: line.split()[0] for line in listed.splitlines()}
    # As they were on the build's machine: who serves them owns none of them.
    assert modes["root/bin/su"] == "-rwsr-xr-x"
    assert modes["root/dev/null"] == "crw-rw-rw-"


@pytest.fixture(scope="module")
def page(school: School) -> Iterator[tuple[Chrome, str]]:
    """The browser of a teacher who is logged in, from the laptop's network; and the school server's address there."""
    with school.child.web() as url, chromium() as driver:
        log_in(driver, url, school.says("sugar-server", "password"))
        yield driver, url


def test_the_page_shows_it(school: School, page: tuple[Chrome, str]) -> None:
    driver, url = page
    driver.get(f"{url}/laptops")
    follow(driver, driver.find_element(By.LINK_TEXT, NICK))
    assert school.child.serial in text(driver)
    assert len(driver.find_elements(By.CSS_SELECTOR, "#backups ~ ul a")) == 1
    follow(driver, driver.find_element(By.CSS_SELECTOR, "#backups ~ ul a"))
    assert len(driver.find_elements(By.CSS_SELECTOR, "tbody tr")) == 4
    driver.get(f"{url}/activities/")
    assert "Calculate" in text(driver, "body") and "999" in text(driver, "body")
    driver.get(f"{url}/statistics")
    assert "Calculate" in text(driver)


def test_a_new_laptop_is_given_the_backups_on_the_page(school: School, page: tuple[Chrome, str]) -> None:
    driver, url = page
    child, old = school.child, school.child.serial
    journal = child.program("journal", "tell")["entries"]
    child.becomes_another()
    child.logs_in()
    child.program("register")
    child.says("sugar-client", "register")
    assert child.serial != old

    driver.get(f"{url}/laptops?q={old}")
    follow(driver, driver.find_element(By.LINK_TEXT, NICK))
    follow(driver, driver.find_element(By.LINK_TEXT, "Give these backups to a new laptop"))
    driver.find_element(By.ID, "q").send_keys(child.serial)
    follow(driver, driver.find_element(By.CSS_SELECTOR, "main form[role=search] button"))
    driver.find_element(By.CSS_SELECTOR, "main label.pick").click()
    follow(driver, driver.find_element(By.XPATH, "//button[text()='Give it the backups']"))
    until = time.monotonic() + 60
    while not any(each["serial"] == child.serial for each in school.lists("backups")):
        assert time.monotonic() < until, school.says("journalctl", "--no-pager", "-u", "sugar-server-adopt")
        time.sleep(0.2)
    assert school.backups(child.serial)["snapshots"] == school.backups(old)["snapshots"] == 1
    assert school.says("systemctl", "show", "-P", "Result", "sugar-server-adopt.service") == "success"
    assert school.says("systemctl", "is-active", "sugar-server-adopt.path") == "active"

    child.logs_out()
    assert "with 4 entries" in child.says("sugar-client", "restore")
    child.logs_in()
    assert child.program("journal", "tell")["entries"] == journal


def test_the_timer_purges_where_the_disk_fills(school: School) -> None:
    """A disk of which one percent may be used is full: old backups are thinned to one a month."""
    serial = school.child.serial
    home = "/var/lib/sugar-backup/homes/" + school.backups(serial)["identity"]
    for day in ("01", "02"):
        old = f"{home}/datastore-2025-01-{day}_10:00"
        school.says("sh", "-c", f'cp -al "$(readlink -f {home}/datastore-latest)" {old}')
    school.says("chown", "-R", "sugar-backup:", home)
    assert school.backups(serial)["snapshots"] == 3
    school.says("sh", "-c", "printf '[backup]\\nquota_percent = 1\\n' > /etc/sugar-server/conf.d/zz-full.conf")
    assert school.says("systemctl", "is-active", "sugar-server-purge.timer") == "active"
    folder = "/run/systemd/system/sugar-server-purge.timer.d"
    now = "[Timer]\\nOnBootSec=\\nOnUnitInactiveSec=\\nOnActiveSec=100ms\\nRandomizedDelaySec=0\\n"
    school.says("sh", "-c", f"mkdir {folder}; printf '{now}' > {folder}/lab.conf")
    school.says("systemctl", "daemon-reload")
    school.says("systemctl", "restart", "sugar-server-purge.timer")
    until = time.monotonic() + 60
    while school.backups(serial)["snapshots"] != 2:
        assert time.monotonic() < until, school.says("journalctl", "--no-pager", "-u", "sugar-server-purge")
        time.sleep(0.2)
    assert school.says("systemctl", "show", "-P", "Result", "sugar-server-purge.service") == "success"
    assert school.says("systemctl", "list-units", "--failed", "--plain", "--no-legend") == ""
