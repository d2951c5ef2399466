"""A school's server through upgrades: good, broken, cut off; and what was on it is on it still.

It begins with our packages as they were last released, and is upgraded to the present ones. The tests build on each
other. They apply only the phases that upgrades are about: the others have their own tests.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from sugar_deploy.folder import Folder
from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.session import bring_up
from sugar_deploy.run.ansible import Playbook
from sugar_deploy.run.apply import environment, folder_key
from sugar_deploy.run.events import HostResult
from sugar_deploy.run.execute import execute
from sugar_deploy.run.store import new_run
from tests.fixtures.releases import sources
from tests.scenario import variants

pytestmark = pytest.mark.vm
PHASES = ["repository", "upgrade", "presence", "sugar_server"]
INSTALLED = ("sugar-server", "sugar-server-base", "prosody-sugar", "sugaroid")
DAEMON, MODULES = "sugar-server", "prosody-sugar"


class School:
    """The server as its deployer sees it."""

    def __init__(self, lab: Lab, work: Path) -> None:
        self.lab, self.work = lab, work
        self.folder = Folder(lab.place.deployment)
        (self.server,) = lab.servers()
        self.released = sources.released(sources.releases()[-1], work)
        self.present = sources.present(self.released, work)
        self.phases = work / "phases.json"
        self.phases.write_text(json.dumps({"sugar_deploy_phases_in_order": PHASES}))

    def own(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Our own command line."""
        argv = [sys.executable, "-m", "sugar_deploy", *words, "-C", str(self.folder.root)]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1800)

    def publish(self, packages: Path) -> str:
        """Publish our packages from these sources, and variants that there are; render; returns the snapshot."""
        done = self.own("repo", "publish", "--json", "--sources", str(packages))
        assert done.returncode == 0, done.stderr
        assert self.own("render").returncode == 0
        snapshot: str = json.loads(done.stdout)["snapshot"]
        return snapshot

    def apply(self, *, check: bool = False) -> HostResult:
        """Apply the chosen phases of the rendered project, as `sugar-deploy apply` does."""
        key = folder_key(self.folder)
        playbook = Playbook(self.folder.rendered, check=check, private_key=key, extra_vars_file=self.phases)
        _status, results = execute(playbook, new_run(self.folder.runs, "apply"), environment=environment())
        return results[self.server.name]

    def says(self, script: str) -> str:
        """What a shell on the server prints."""
        return self.server.run(("sh", "-c", script), check=False).stdout.strip()

    def newer(self, package: str, number: int) -> str:
        """The NUMBERth version above the present one."""
        return f"{sources.version(self.present, package)}+{number}"

    def variant(self, package: str, number: int, change: Callable[[Path], None] = variants.sound) -> str:
        """Have a variant of the present package published with the next snapshot; returns its version."""
        version = self.newer(package, number)
        variants.make(self.folder, self.present, package, version, change)
        return version

    def versions(self) -> dict[str, str]:
        """What of ours is installed."""
        return {name: self.version(name) for name in INSTALLED}

    def version(self, package: str) -> str:
        return self.says(f"dpkg-query -W -f '${{Status}} ${{Version}}' {package}").removeprefix(
            "install ok installed "
        )

    def possessions(self) -> tuple[str, str, str]:
        """What a school would miss: registrations, accounts, and its own settings."""
        return (
            self.says("sugar-server registrations"),
            self.says("cat /var/lib/prosody/*/accounts/ana.dat"),
            self.says("cat /etc/prosody/prosody.cfg.lua /etc/sugar-server/sugar-server.conf | sha256sum"),
        )

    def serves(self) -> bool:
        units = "sugar-server.socket sugar-server.service prosody.service"
        return set(self.says(f"systemctl is-active {units}").split()) == {"active"}

    def left(self) -> set[str]:
        """What the runs have left in the server's own folder."""
        return set(self.says("ls -A /var/lib/sugar-deploy").split())

    def cut_power_in(self, script: str, version: str) -> None:
        """Apply, and pull the plug while a script of that version of sugar-server runs."""
        self.says(f"rm -f /root/is-in-*; touch /root/wait-in-{script}-{version}")
        results: list[HostResult] = []
        run = threading.Thread(target=lambda: results.append(self.apply()))
        run.start()
        deadline = time.monotonic() + 240
        while not self.says(f"ls /root/is-in-{script}-{version}"):
            assert run.is_alive(), results[0].as_dict()
            assert time.monotonic() < deadline, f"{script} was not reached"
            time.sleep(0.2)
        self.server.power_cut()
        run.join(300)
        assert results[0].status in {"unreachable", "failed"}
        self.server.start()
        self.server.wait_for_ssh()

    def assert_as_before(self, before: tuple[str, str, str], versions: dict[str, str]) -> None:
        """The packages have these versions, and the school misses nothing."""
        assert self.versions() == versions
        assert self.possessions() == before
        assert self.serves()
        assert self.says("dpkg --audit") == ""


@pytest.fixture(scope="module", params=["trixie"])
def school(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    lab = bring_up(scenario="offline-server", suite=request.param, backend="nspawn")
    try:
        one = School(lab, tmp_path_factory.mktemp("variants"))
        document = yaml.safe_load(one.folder.file.read_text())
        # Debian's packages come from the mirror here: what is tried are our own.
        document["repository"]["contents"] = "own"
        one.folder.file.write_text(json.dumps(document))
        yield one
    finally:
        lab.down()


def test_a_server_in_service_has_something_to_lose(school: School) -> None:
    school.publish(school.released)
    first = school.apply()
    assert first.status == "changed", first.as_dict()
    assert school.versions() == {name: sources.version(school.released, name) for name in INSTALLED}
    domain = school.says("sed -n 's/^VirtualHost \"\\(.*\\)\"/\\1/p' /etc/prosody/prosody.cfg.lua")
    registered = school.says(f"sugaroid register --server {domain} --address 127.0.0.1")
    assert "jabberserver" in registered, registered
    school.says(f"prosodyctl register ana {domain} sesame")
    registrations, account, _settings = school.possessions()
    assert "accepted" in registrations
    assert account
    again = school.apply()
    assert (again.status, again.changes) == ("ok", [])
    assert "restore-point" not in school.left(), "there was nothing to come back to"


def test_an_upgrade_from_the_release_that_fails_comes_back_to_it(school: School) -> None:
    before, versions = school.possessions(), school.versions()
    school.variant(DAEMON, 1, variants.destroys_registrations)
    school.publish(school.present)
    run = school.apply()
    assert run.rolled_back_to, run.as_dict()
    assert "the migration has failed" in run.message
    school.assert_as_before(before, versions)
    assert "restore-point" not in school.left()


def test_an_upgrade_from_the_release_is_foreseen_cut_off_by_a_power_cut_and_made(school: School) -> None:
    (registered, account, _settings), versions = school.possessions(), school.versions()
    daemon = school.variant(DAEMON, 2)
    school.publish(school.present)
    foreseen = school.apply(check=True)
    diffs = " ".join(str(change.get("diff")) for change in foreseen.changes)
    assert f"-sugar-server {versions[DAEMON]}" in diffs
    assert f"+sugar-server {daemon}" in diffs
    assert school.versions() == versions
    school.cut_power_in("postinst", daemon)
    assert "restore-point" in school.left(), "what was before is still known"
    run = school.apply()
    assert run.status == "changed", run.as_dict()
    present = {name: sources.version(school.present, name) for name in INSTALLED}
    assert school.versions() == present | {DAEMON: daemon}
    assert all(present[name] != versions[name] for name in INSTALLED)
    # The new version may say it in other words, or have settings that the former did not know.
    (laptop,) = (word for word in registered.split() if word.startswith("SHA256:"))
    assert laptop in school.possessions()[0]
    assert school.possessions()[1] == account
    assert school.serves()
    left = school.left()
    assert len([name for name in left if name.startswith("repository-")]) == 1, left
    assert "restore-point" not in left


def test_a_daemon_that_loses_its_data_is_rolled_back_even_if_the_way_back_is_cut_off(school: School) -> None:
    before, versions = school.possessions(), school.versions()
    good = (school.folder.published / "snapshot").read_text().strip()
    broken = school.variant(DAEMON, 3, variants.destroys_registrations)
    school.publish(school.present)
    # The former version's own script, as it comes back.
    school.cut_power_in("postinst", versions[DAEMON])
    assert "restore-point" in school.left()
    # The next run goes all the way back first, tries the same snapshot again, and comes back again.
    run = school.apply()
    report = run.as_dict()
    assert report["status"] == "failed"
    assert report["rolled_back_to"] == good
    assert run.message.startswith(f"rolled back to snapshot {good}: "), run.message
    assert "sugar-server.service" in run.message
    assert "the migration has failed" in run.message, "the daemon's last words are the cause"
    assert run.phase == "sugar_server"
    school.assert_as_before(before, versions)
    assert school.says("cat /var/lib/sugar-deploy/repository/snapshot") == good
    # Unattended upgrades see the former snapshot alone.
    policy = school.says("apt-get update -q >/dev/null 2>&1; LC_ALL=C apt-cache policy sugar-server")
    assert f"Candidate: {versions[DAEMON]}\n" in policy
    assert broken not in policy


def test_after_a_power_cut_a_module_that_does_not_load_takes_no_account_with_it(school: School) -> None:
    before, versions = school.possessions(), school.versions()
    daemon = school.variant(DAEMON, 4)
    school.variant(MODULES, 1, variants.is_no_lua)
    school.publish(school.present)
    school.cut_power_in("preinst", daemon)
    assert school.version(DAEMON) != daemon
    run = school.apply()
    assert run.rolled_back_to
    assert run.phase == "presence"
    assert "sugar_roster" in run.message, run.message
    school.assert_as_before(before, versions)


def test_a_former_snapshot_that_is_published_again_is_gone_back_to(school: School) -> None:
    before, versions = school.possessions(), school.versions()
    variants.clear(school.folder, MODULES)
    variants.clear(school.folder, DAEMON)
    school.publish(school.present)
    run = school.apply()
    assert run.status == "changed", run.as_dict()
    school.assert_as_before(before, versions | {DAEMON: sources.version(school.present, DAEMON)})
    assert school.apply(check=True).changes == []
