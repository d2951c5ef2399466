"""One school server through what happens to it: a power cut, broken drop-ins, services switched off and on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sugar_deploy.folder import Folder
from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.session import bring_up
from sugar_deploy.lab.trial import Trial
from sugar_deploy.scenario.variables import PHASES

# As a laptop asks that has registered: it is named by the SHA-1 of its key.
ASKS_FOR_STATISTICS = """\
set -e
sugaroid register --server "$(hostname -f)" --address 127.0.0.1 >/dev/null
guid=$(sugar-server registrations --json |
    python3 -c 'import json, sys; print(json.load(sys.stdin)[0]["pubkey"], end="")' | sha1sum | cut -d' ' -f1)
python3 -c "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8080/user/$guid?cmd=stats-info').read())"
"""
DAEMON = ("registration", "backup", "updates", "statistics", "pages")
ROOMS = (
    "sugar-server-backup.socket",
    "sugar-server-backup.service",
    "sugar-server-builds.socket",
    "sugar-server-adopt.path",
    "sugar-server-purge.timer",
)
REGISTRATIONS = "/var/lib/sugar-server/registrations.db"


def apply_argv(folder: Folder, *options: str) -> list[str]:
    return [sys.executable, "-m", "sugar_deploy", "apply", "-C", str(folder.root), "--yes", "--json", *options]


def apply(folder: Folder, *options: str) -> dict[str, Any]:
    done = subprocess.run(
        apply_argv(folder, *options), stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1800
    )
    assert done.stdout, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report | {"exit": done.returncode}


def wait_for_phase(folder: Folder, phase: str, process: subprocess.Popen[str]) -> None:
    """Wait until the running apply reports the first task of a phase."""
    deadline = time.monotonic() + 900
    while time.monotonic() < deadline:
        newest = max(folder.runs.glob("*-apply/events.jsonl"), default=None)
        if newest and any(json.loads(line).get("phase") == phase for line in newest.read_text().splitlines()):
            return
        assert process.poll() is None, process.communicate()
        time.sleep(0.2)
    raise AssertionError(f"the phase {phase} did not begin")


def phases_seen(folder: Folder) -> list[str]:
    """The phases of the newest run, in the order in which they began."""
    newest = max(folder.runs.glob("*-apply/events.jsonl"))
    phases: list[str] = []
    for line in newest.read_text().splitlines():
        phase = json.loads(line).get("phase")
        if phase and phase not in phases:
            phases.append(phase)
    return phases


@pytest.fixture(scope="module", params=["nspawn"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    chosen = bring_up(scenario="offline-server", suite="trixie", backend=request.param)
    yield chosen
    chosen.down()


@pytest.fixture(scope="module")
def written(lab: Lab) -> str:
    """The deployment as it is, before services are switched off one after another."""
    return Folder(lab.place.deployment).file.read_text()


def sugar_deploy(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sugar_deploy", *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1800,
    )


@pytest.mark.vm
def test_a_plan_for_a_virgin_machine_is_true_and_changes_nothing(lab: Lab) -> None:
    folder = Folder(lab.place.deployment)
    (server,) = lab.servers()
    # Everything that a role may touch, with what tells a change: names, sizes, modes, times of content.
    look = "find /etc /usr /var/lib /srv -xdev -printf '%p %s %m %T@\\n' | grep -v -e /var/lib/systemd -e resolv.conf"
    before = server.run(("sh", "-c", look)).stdout.splitlines()
    done = sugar_deploy("plan", "-C", str(folder.root), "--json")
    report = json.loads(done.stdout)["hosts"][server.name]
    assert done.returncode == 0, report["message"]
    planned = {change["phase"] for change in report["changes"]}
    # A virgin machine has nothing of ours to upgrade, and of Debian's only what is newer than the lab's image of it.
    assert planned - {"upgrade"} == {phase.role for phase in PHASES} - {"upgrade"}
    assert not [one for one in report["changes"] if one["phase"] == "upgrade" and "sugar" in one["diff"]]
    after = server.run(("sh", "-c", look)).stdout.splitlines()
    # Looking around leaves the directories of apt's own lock and cache newer, and nothing else.
    changed = {line.split()[0] for line in set(before) ^ set(after)}
    assert {path for path in changed if not path.startswith(("/var/lib/apt", "/var/lib/dpkg"))} == set()


@pytest.mark.vm
def test_an_apply_whose_server_loses_power_is_resumed(lab: Lab) -> None:
    folder = Folder(lab.place.deployment)
    (server,) = lab.servers()
    process = subprocess.Popen(
        apply_argv(folder), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for_phase(folder, "presence", process)
    server.power_cut()
    out, err = process.communicate(timeout=600)
    assert process.returncode == 1, out + err
    assert json.loads(out)["hosts"][server.name]["status"] in {"unreachable", "failed"}

    server.start()
    resumed = apply(folder, "--resume")
    assert resumed["exit"] == 0, resumed["hosts"]
    # What the host itself had recorded before the cut is left out; what was under way is not.
    assert phases_seen(folder)[:1] == ["presence"]
    trial = Trial(lab, folder)
    assert trial.run(), [step.as_dict() for step in trial.steps if not step.ok]
    assert {step.name: step.seen for step in trial.steps}["apply"] == "done, changed=0"


@pytest.mark.vm
def test_a_plan_for_a_converged_machine_is_empty(lab: Lab) -> None:
    folder = Folder(lab.place.deployment)
    (server,) = lab.servers()
    done = sugar_deploy("plan", "-C", str(folder.root), "--json")
    report = json.loads(done.stdout)["hosts"][server.name]
    assert done.returncode == 0, report["message"]
    assert report["changes"] == []


@pytest.mark.vm
def test_our_services_are_confined(lab: Lab) -> None:
    (server,) = lab.servers()
    for unit in ("sugar-server.service", "sugar-server-backup.service", "prosody.service"):
        said = server.run(("systemd-analyze", "security", "--no-pager", unit), check=False).stdout
        exposure = float(said.split("Overall exposure level for")[1].split(":")[1].split()[0])
        assert exposure < 3.0, said


@pytest.mark.vm
def test_the_status_tells_of_a_school_that_is_well_and_of_one_that_is_off(lab: Lab) -> None:
    folder = Folder(lab.place.deployment)
    (server,) = lab.servers()
    done = sugar_deploy("status", "-C", str(folder.root), "--json")
    (school,) = json.loads(done.stdout)["schools"]
    assert done.returncode == 0
    assert school["reachable"] is True
    assert school["health"] == "ok"
    assert set(school["phases"]) == {phase.role for phase in PHASES}
    assert {"sugar-server=0.2.0", "sugaroid=0.2.0"} <= set(school["packages"])
    assert school["snapshot"] == (folder.published / "snapshot").read_text().strip()
    server.stop()
    try:
        done = sugar_deploy("status", "-C", str(folder.root), "--json")
        (school,) = json.loads(done.stdout)["schools"]
        assert done.returncode == 1
        assert school["reachable"] is False
        assert school["error"]
    finally:
        server.start()


@pytest.mark.vm
def test_a_broken_drop_in_is_put_back_and_named(lab: Lab) -> None:
    folder = Folder(lab.place.deployment)
    (server,) = lab.servers()
    # Sound to the checker, deadly to the service: the port is taken by the school server's daemon.
    presence = drop_in(folder, "prosody", "c2s_direct_tls_ports = { 8080 }\n")
    message = failure(folder, server.name)
    assert "5223" in message and "put back" in message, message
    assert answers(lab, 5223)

    presence.write_text("this is no Lua\n")
    assert "class.conf" in failure(folder, server.name)
    assert answers(lab, 5223)

    presence.unlink()
    # Sound again, but no disk is as large: the daemon calls itself unhealthy.
    daemon = drop_in(folder, "sugar-server", "[health]\nminimum_free_mib = 9999999\n")
    message = failure(folder, server.name)
    assert "sugar-server" in message and "put back" in message, message
    assert drop_ins(lab) == []
    assert server.run(("sugar-server", "health"), check=False).returncode == 0

    daemon.write_text("[health]\nminimum_fre_mib = 32\n")
    message = failure(folder, server.name)
    assert "class.conf:2" in message and 'Did you mean "minimum_free_mib"?' in message, message
    assert drop_ins(lab) == []

    daemon.write_text("[health]\nminimum_free_mib = 32\n")
    assert apply(folder, "--resume")["exit"] == 0
    assert phases_seen(folder) == ["sugar_server"]
    assert drop_ins(lab) == ["/etc/sugar-server/conf.d/sugar-override-class.conf"]
    # The next test's apply takes it away.
    daemon.unlink()


@pytest.mark.vm
def test_each_room_is_switched_off_by_itself(lab: Lab, written: str) -> None:
    folder = Folder(lab.place.deployment)
    (server,) = lab.servers()
    document = yaml.safe_load(written)
    services = document.setdefault("services", {})
    services["backup"] = {**services.get("backup", {}), "enabled": False}
    services.update(updates={"builds": False, "packages": False}, statistics={"enabled": False})
    folder.file.write_text(json.dumps(document))
    assert apply(folder)["exit"] == 0
    assert drop_ins(lab) == []
    assert answers(lab, 80) and answers(lab, 8080)
    assert not answers(lab, 873, 2222)
    assert states(lab, "is-active", *ROOMS) == {"inactive"}
    assert states(lab, "is-enabled", *ROOMS) == {"disabled"}
    assert '"enable": false' in server.run(("sh", "-c", ASKS_FOR_STATISTICS)).stdout
    assert apply(folder)["hosts"][server.name]["changed"] == 0
    # Nor does it come back by itself.
    server.power_cut()
    server.start()
    assert states(lab, "is-active", *ROOMS) == {"inactive"}


@pytest.mark.vm
def test_services_that_are_switched_off_go_and_come_back(lab: Lab, written: str) -> None:
    """The last test's rooms as well."""
    folder = Folder(lab.place.deployment)
    (server,) = lab.servers()
    document = yaml.safe_load(written)
    for service in ("presence", *DAEMON, "upgrades"):
        document.setdefault("services", {}).setdefault(service, {})["enabled"] = False
    folder.file.write_text(json.dumps(document))
    assert apply(folder)["exit"] == 0
    assert not answers(lab, 5222, 5223, 80, 8080, 873, 2222)
    assert server.run(("test", "-e", "/usr/bin/sugar-server"), check=False).returncode != 0
    # The laptops that registered are known when it is served again.
    assert server.run(("test", "-s", REGISTRATIONS), check=False).returncode == 0
    assert upgrades_itself(lab) == "0"
    assert apply(folder)["hosts"][server.name]["changed"] == 0

    folder.file.write_text(written)
    assert apply(folder)["exit"] == 0
    assert all(answers(lab, port) for port in (5222, 5223, 80, 8080, 873, 2222))
    assert upgrades_itself(lab) == "1"
    assert states(lab, "is-active", *ROOMS) == {"active"}
    assert states(lab, "is-enabled", *ROOMS) == {"enabled"}


@pytest.mark.vm
def test_a_backup_service_that_does_not_come_up_puts_the_settings_back(lab: Lab) -> None:
    folder = Folder(lab.place.deployment)
    (server,) = lab.servers()
    # Sound to the checker, and to the daemon: but nobody may write there.
    drop = drop_in(folder, "sugar-server", "[backup]\nfolder = /proc/nowhere\n")
    message = failure(folder, server.name)
    assert "sugar-server-backup did not come up" in message and "put back" in message, message
    drop.unlink()
    assert apply(folder, "--resume")["exit"] == 0
    assert states(lab, "is-active", "sugar-server-backup.service") == {"active"}


@pytest.mark.vm
def test_after_all_that_plain_ansible_playbook_finds_nothing_to_change(lab: Lab) -> None:
    folder = Folder(lab.place.deployment)
    (server,) = lab.servers()
    words = ("-i", "inventory", "--private-key", str(lab.place.key), "site.yml")
    done = subprocess.run(
        [str(Path(sys.executable).with_name("ansible-playbook")), *words],
        cwd=folder.rendered,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    recap = done.stdout.partition("PLAY RECAP")[2]
    (line,) = (line for line in recap.splitlines() if line.startswith(server.name))
    assert "changed=0" in line.split(), done.stdout


def drop_in(folder: Folder, service: str, text: str) -> Path:
    """Write the deployer's own settings of a service."""
    path = folder.overrides / service / "class.conf"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def failure(folder: Folder, server: str) -> str:
    """What an apply that fails says; it carries on where the one before has failed."""
    failed = apply(folder, "--resume")
    assert failed["exit"] == 1
    message: str = failed["hosts"][server]["message"]
    return message


def drop_ins(lab: Lab) -> list[str]:
    """Our drop-ins of the daemon on the server."""
    (server,) = lab.servers()
    return server.run(("find", "/etc/sugar-server/conf.d", "-name", "sugar-override-*")).stdout.split()


def states(lab: Lab, question: str, *units: str) -> set[str]:
    """What systemd says of these units."""
    (server,) = lab.servers()
    return set(server.run(("systemctl", question, *units), check=False).stdout.split())


def upgrades_itself(lab: Lab) -> str:
    """What the server's APT is set to: "1" if it upgrades itself, else "0"."""
    (server,) = lab.servers()
    said = server.run(("apt-config", "dump", "--format", "%v%n", "APT::Periodic::Unattended-Upgrade")).stdout
    return said.strip()


def answers(lab: Lab, *ports: int) -> bool:
    """Whether the server accepts a connection at any of these ports, asked on the server itself."""
    (server,) = lab.servers()
    probe = "import socket, sys\nsocket.create_connection(('127.0.0.1', int(sys.argv[1])), 5)"
    return any(server.run(("python3", "-c", probe, str(port)), check=False).returncode == 0 for port in ports)
