"""Backups where the registrations are in PostgreSQL, read by a role that may do nothing else."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from sugar_server.database import keep_in

from ..server.postgresql import PostgreSQL
from .conftest import PYTHONS, School

MANUAL = Path(__file__).resolve().parents[3] / "packages" / "sugar-server" / "man" / "sugar-server.8"


@pytest.fixture(scope="module")
def postgresql():
    cluster = PostgreSQL()
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.remove()


@pytest.fixture
def school(tmp_path, postgresql):
    """The service as the role sugar-backup, with the rights that the manual gives it."""
    tmp_path.chmod(0o755)
    url = postgresql.database()
    for role in ("sugar-server", "sugar-backup"):
        if not postgresql.execute(url, "SELECT 1 FROM pg_roles WHERE rolname = %s", role):
            postgresql.execute(url, f'CREATE ROLE "{role}" LOGIN')
    postgresql.execute(url, f'ALTER DATABASE {re.search("@/([a-z0-9]+)", url).group(1)} OWNER TO "sugar-server"')
    for granting in re.findall(r"^ALTER DEFAULT.*;$", MANUAL.read_text().replace("\\-", "-"), re.MULTILINE):
        postgresql.execute(url, granting)
    school = School(tmp_path, PYTHONS["debian"])
    school.configure(f"[database]\nurl = {url.replace('sugar@', '')}\n")
    environment = {**school.environment(), "PGUSER": "sugar-backup"}
    school.environment = lambda: environment
    # What the test itself registers.
    keep_in(url.replace("sugar@", "sugar-server@"))
    try:
        yield school
    finally:
        keep_in(None)
        school.stop()


def test_a_laptop_backs_up_and_restores(school):
    laptop = school.laptop()
    school.start()
    laptop.entry(1)
    laptop.back_up()
    (listed,) = json.loads(laptop.run("snapshots").stdout)
    assert listed["entries"] == 1
    (row,) = json.loads(school.command("backups", "--json").stdout)
    assert row["nick"] == "Ñusta"
    stranger = school.laptop("SHC00700999")
    assert stranger.run("snapshots").returncode == 0
    stranger.serial = "SHC00700998"
    assert "Permission denied" in stranger.run("snapshots").stderr
    assert "Traceback" not in school.log.read_text()


def test_without_rights_or_tables_it_is_told_and_nobody_is_let_in(school, postgresql):
    school.start()
    done = school.command("backups")
    assert (done.returncode, "its tables cannot be read" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr
    laptop = school.laptop()
    postgresql.stop()
    try:
        assert "Permission denied" in laptop.run("snapshots").stderr
        assert "systemctl status postgresql" in school.log.read_text()
    finally:
        postgresql.start()
    assert laptop.run("snapshots").returncode == 0
