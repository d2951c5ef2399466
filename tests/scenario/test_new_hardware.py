"""A school's server is lost with all that was on it, and comes back from its backup on new hardware.

A laptop registers, is online, and backs its Journal up, as real ones do; then it needs that back. Locked ones are
activated and renewed, before and after. The tests build on each other.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sugar_deploy.folder import Folder
from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.laptop import ready_laptop
from sugar_deploy.lab.session import bring_up, hosts
from sugar_deploy.lab.steps import verify
from tests.scenario.locked_laptops import (
    BY_NETWORK,
    BY_NETWORK_LATER,
    BY_STICK,
    BY_STICK_TOO,
    LEASE_DAYS,
    STICK,
    STICK_DAYS,
    STOLEN,
    STRANGER,
    Keeper,
    Switch,
    days,
)

pytestmark = pytest.mark.vm
OVERRIDES = {
    # The lab's host may have much to do.
    "sugar-server": "[backup]\nmost_load = 1000\nmost_used_percent = 100\n",
}

KEYS = "sha256sum /var/lib/sugar-backup/keys/* /etc/prosody/certs/*.key /var/lib/sugar-server/antitheft.private"
FIND = r"""cd /var/lib/sugar-backup/homes
find . -type d -printf '%P %m %u %g\n' -o -printf '%P %m %u %g %n %s %l\n' | sort"""

# What the deployer brings, what the server makes of it, and its own key: each with its mode.
SECRETS = r"""cd /var/lib
find sugar-deploy/antitheft sugar-server/antitheft* sugar-server/activations -printf '%m %p\n'"""

# The activation service as the kernel sees it: its user and rights, its network, what it can write to.
CONFINED = r"""pid=$(systemctl show --property MainPID --value sugar-server-activation.service)
ps -o user= -p "$pid"
grep -E '^(CapEff|CapBnd|NoNewPrivs|Seccomp):' "/proc/$pid/status" | tr '\t' ' '
grep -c : "/proc/$pid/net/dev"
inside() { nsenter --target "$pid" --mount -- "$@" 2>/dev/null; }
inside ls -A /var/lib
for folder in /etc /home /var/lib /var/lib/sugar-server /var/lib/sugar-server/activations; do
    inside touch "$folder/.written" && echo "writes to $folder" && inside rm "$folder/.written"
done
true"""
AS_CONFINED = """sugar-server
NoNewPrivs: 1
CapEff: 0000000000000000
CapBnd: 0000000000000000
Seccomp: 2
1
sugar-server
writes to /var/lib/sugar-server/activations"""

# sugaroid's own library, on the laptop: what the laptop is lies in /root/ana.
LAPTOP = """
import asyncio, sys
from pathlib import Path
from sugaroid.backup import Backup, Place
from sugaroid.journal import make_journal
from sugaroid.presence import Presence
from sugaroid.profile import Hardware, Profile
from sugaroid.registration import register
from sugaroid.snapshots import differences

deed, server, address = sys.argv[1:]
root = Path("/root/ana")
HARDWARE = Hardware("SHC00300001", "00000000-0000-4000-8000-000000000001")


def profile():
    if not (root / "profile" / "owner.key").exists():
        root.mkdir(exist_ok=True)
        Profile.make(kind="ed25519", nick="Ana").save(root / "profile")
    return Profile.load(root / "profile")


def backup():
    folder = root / "ssh"
    folder.mkdir(exist_ok=True, mode=0o700)
    return Backup(profile(), HARDWARE.serial, Place(server, address), folder)


async def register_and_back_up():
    one = profile()
    await register(one, server, HARDWARE, address=address, port=8080)
    session = Presence(one, server, address=address, port=5223)
    await session.connect()
    await session.leave()
    make_journal(root / "journal", 20, "ana")
    await backup().begin()
    await backup().back_up({"datastore-current": root / "journal"})


async def restore():
    newest = (await backup().snapshots())[0]
    assert newest.entries == 20, newest
    (root / "restored").mkdir()
    await backup().restore(newest.name, root / "restored")
    assert differences(root / "journal", root / "restored") == []


async def come_back():
    # It asks for no account: it is the one of its first day, or there is none.
    session = Presence(profile(), server, address=address, port=5223)
    await session.connect(register_first=False)
    await session.leave()


asyncio.run(globals()[deed]())
print("done")
"""


class School:
    """The server as its deployer sees it, and a laptop."""

    def __init__(self, lab: Lab, work: Path) -> None:
        self.lab = lab
        self.work = work
        self.folder = Folder(lab.place.deployment)
        (self.server,) = lab.servers()
        (self.host,) = hosts(self.folder)
        self.laptop = lab.laptop(self.server.name)
        self.keeper = Keeper(self.folder, self.server.name, work)

    def own(self, *words: str) -> tuple[int, dict[str, Any]]:
        """Our own command line: its status and its report."""
        argv = [sys.executable, "-m", "sugar_deploy", *words, "-C", str(self.folder.root), "--json"]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1800)
        assert done.stdout, done.stderr
        report: dict[str, Any] = json.loads(done.stdout)
        return done.returncode, report

    def on_laptop(self, deed: str) -> None:
        """What the child's laptop does."""
        self.laptop.run(("python3", "-", deed, self.host.fqdn, str(self.host.lan_address)), input=LAPTOP)

    def says(self, script: str) -> str:
        """What a shell on the server prints."""
        return self.server.run(("sh", "-c", script)).stdout.strip()

    def locked(self) -> Switch:
        """The machine on the LAN as a locked laptop."""
        return Switch(self.laptop, self.host.fqdn)

    def possessions(self) -> dict[str, str]:
        """What a school would miss."""
        return {
            "registrations": self.says("sugar-server registrations"),
            "backups": self.says("sugar-server backups"),
            "keys": self.says(KEYS),
            "leases": self.says("sugar-server leases --json"),
            "accounts": self.says("cat /var/lib/prosody/*/accounts/*.dat"),
            "password": self.says("cat /var/lib/sugar-server/teacher-password"),
            "activities": self.says("ls -l /var/lib/sugar-library/activities"),
            "snapshots": self.says(FIND),
        }


@pytest.fixture(scope="module", params=["trixie"])
def school(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    lab = bring_up(scenario="offline-server", suite=request.param, backend="nspawn")
    try:
        one = School(lab, tmp_path_factory.mktemp("deployer"))
        document = yaml.safe_load(one.folder.file.read_text())
        # Debian's packages come from the mirror here: what is tried are our own.
        document["repository"]["contents"] = "own"
        antitheft = {"enabled": True, "lease_days": LEASE_DAYS}
        document.setdefault("services", {})["antitheft"] = antitheft
        one.folder.file.write_text(json.dumps(document))
        for service, text in OVERRIDES.items():
            path = one.folder.overrides / service / "backups.conf"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        one.server.snapshot("new-hardware")
        yield one
    finally:
        lab.down()


def test_locked_laptops_start_by_a_stick_by_the_network_and_by_their_own_lease(school: School) -> None:
    status, report = school.own("apply", "--yes")
    assert status == 0, report
    ready_laptop(school.lab, school.host, school.folder)
    school.keeper.delegate(school.server)
    status, report = school.own("apply", "--yes")
    assert status == 0, report
    assert "another key" not in " ".join(report["hosts"][school.server.name]["warnings"])
    locked = school.locked()
    locked.get_ready(school.folder, school.keeper)

    assert "no lease from the network" in locked.stays_locked(STRANGER)
    for laptop in (BY_STICK, BY_STICK_TOO):
        started = locked.boot(laptop, "--stick", STICK)
        assert (started["source"], started["sticks"], days(started)) == ("stick", ["good"], STICK_DAYS)
    assert locked.boot(BY_STICK)["source"] == "storage"
    given = locked.boot(BY_NETWORK, "--stick", STICK)
    assert (given["source"], days(given)) == ("network", LEASE_DAYS)

    renewed = locked.renew(BY_STICK)
    assert (renewed["proved"], days(renewed)) == (True, LEASE_DAYS)
    started = locked.boot(BY_STICK)
    assert (started["source"], started["lease"]) == ("storage", renewed["lease"])

    assert "it is stolen, says the server" in locked.stays_locked(STOLEN)
    assert "is stolen, says the server" in locked.is_not_renewed(STOLEN)
    rows = {row["serial"]: row for row in json.loads(school.says("sugar-server leases --json"))}
    assert rows[BY_NETWORK.serial]["activated"]
    assert rows[BY_STICK.serial]["activated"] is None
    assert rows[STOLEN.serial]["stolen"] is True


def test_activation_is_confined_and_a_whole_school_may_ask_at_once(school: School) -> None:
    modes = [line.split() for line in school.says(SECRETS).splitlines()]
    assert {mode for mode, _path in modes} == {"600", "700"}
    assert len(modes) > 6
    assert set(school.says(CONFINED).splitlines()) == set(AS_CONFINED.splitlines())
    crowd = Path(__file__).with_name("activation_crowd.py").read_text()
    argv = ("python3", "-", str(school.host.lan_address), BY_NETWORK.serial)
    found = json.loads(school.laptop.run(argv, input=crowd, timeout_seconds=600).stdout)
    kinds = ("half-closed", "left open", "a line", "byte by byte", "garbage")
    assert found == {**dict.fromkeys(kinds, 100), "silent": 60}
    units = "sugar-server-activation.socket sugar-server-activation.service"
    assert set(school.says(f"systemctl is-active {units}").split()) == {"active"}
    assert school.says("systemctl show --property NRestarts --value sugar-server-activation.service") == "0"


def test_verify_tries_activation_and_theft_deterrence(school: School) -> None:
    all_well, seen, details = verify(school.lab, school.folder)
    assert all_well, (seen, details)
    for name in ("activation at boot", "theft deterrence"):
        assert f"{school.server.name}: ok: antitheft: {name}" in details


def test_a_child_s_journal_outlives_the_server(school: School) -> None:
    school.on_laptop("register_and_back_up")
    school.says("printf 'abcd-efgh-ijkm-npqr\\n' | sugar-server password --set >/dev/null; "
                "echo bundle > /var/lib/sugar-library/activities/Own-1.xo; "
                "chown sugar-server:sugar-server /var/lib/sugar-library/activities/Own-1.xo")  # fmt: skip
    before = school.possessions()
    assert all(before.values()), before
    status, report = school.own("backup")
    assert status == 0, report
    name = school.server.name
    assert report["backups"][name]["files"] > 20

    school.server.restore("new-hardware")
    school.server.run(("sh", "-c", "test ! -e /var/lib/sugar-server"))
    status, report = school.own("restore", name)
    assert status == 1
    assert "no apply has been completed" in report["hosts"][name]["message"]
    status, report = school.own("apply", "--yes")
    assert status == 0, report
    assert "It may be to another key" in " ".join(report["hosts"][name]["warnings"])
    # Keys of its own, as yet.
    assert set(school.says(KEYS).splitlines()).isdisjoint(before["keys"].splitlines())
    status, report = school.own("restore", name)
    assert status == 0, report

    assert school.possessions() == before
    units = "sugar-server.socket sugar-server.service sugar-server-backup.socket prosody.service"
    assert set(school.says(f"systemctl is-active {units}").split()) == {"active"}
    school.on_laptop("come_back")
    school.on_laptop("restore")


def test_the_new_server_activates_and_renews_as_the_lost_one_did(school: School) -> None:
    locked = school.locked()
    assert locked.boot(BY_STICK_TOO)["source"] == "storage"
    renewed = locked.renew(BY_STICK_TOO)
    assert (renewed["proved"], days(renewed)) == (True, LEASE_DAYS)
    started = locked.boot(BY_STICK_TOO)
    assert (started["source"], started["lease"]) == ("storage", renewed["lease"])
    given = locked.boot(BY_NETWORK_LATER)
    assert (given["source"], days(given)) == ("network", LEASE_DAYS)
    assert "it is stolen, says the server" in locked.stays_locked(STOLEN)


def test_what_was_restored_is_not_restored_again(school: School) -> None:
    name = school.server.name
    status, report = school.own("restore", name)
    assert (status, report["hosts"][name]["changed"]) == (0, 0), report
    # A later backup is of this server, and would take back what came since.
    assert school.own("backup")[0] == 0
    status, report = school.own("restore", name)
    assert status == 1
    assert "data of its own" in report["hosts"][name]["message"]
