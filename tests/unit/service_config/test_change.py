"""A service comes up with what is wanted, or keeps what it had."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils import files as files_of
from ansible_collections.sugar.deploy.plugins.module_utils.change import Failed, can_check
from ansible_collections.sugar.deploy.plugins.module_utils.files import ConfigError
from ansible_collections.sugar.deploy.plugins.module_utils.unit import Health


def test_a_changed_file_is_swapped_in_and_the_service_restarted(change, wanted, daemon, config):
    made = change(wanted(config, "new\n"))
    assert made.needed
    made.carry_out()
    assert config.read_text() == "new\n"
    assert daemon.acts == ["restart"]
    assert daemon.read == "new\n"


def test_nothing_to_do_restarts_nothing(change, wanted, daemon, config):
    made = change(wanted(config, "old\n"))
    assert not made.needed
    assert made.diff() == []
    assert not made.to_prove
    made.carry_out()
    assert daemon.acts == []


def test_reload_where_wanted(change, wanted, daemon, config):
    change(wanted(config, "new\n"), action="reload").carry_out()
    assert daemon.acts == ["reload"]


def test_force_restarts_without_a_changed_file(change, wanted, daemon, config):
    made = change(wanted(config, "old\n"), force=True)
    assert made.needed
    made.carry_out()
    assert daemon.acts == ["restart"]


def test_a_service_that_does_not_come_up_gets_its_previous_files_back(change, wanted, daemon, config):
    extra = config.parent / "extra.conf"
    gone = config.parent / "gone.conf"
    gone.write_text("precious\n")
    gone.chmod(0o640)
    with pytest.raises(Failed) as failed:
        change(wanted(config, "broken\n"), wanted(extra, "more\n"), wanted(gone, None)).carry_out()
    assert failed.value.facts == {"rolled_back": True, "running": True}
    message = str(failed.value)
    assert "bell did not come up with the new configuration: bell.service is failed" in message
    assert "cannot ring" in message
    assert config.read_text() == "old\n"
    assert not extra.exists()
    assert gone.read_text() == "precious\n"
    assert gone.stat().st_mode & 0o777 == 0o640
    assert daemon.active
    assert daemon.read == "old\n"


def test_a_service_that_did_not_run_before_is_stopped_again(change, wanted, daemon, config):
    daemon.active = daemon.enabled = False
    with pytest.raises(Failed) as failed:
        change(wanted(config, "broken\n")).carry_out()
    assert failed.value.facts == {"rolled_back": True, "running": False}
    assert daemon.acts == ["restart", "stop"]
    assert not daemon.enabled, "a service that never came up must not start at boot"


def test_a_port_that_does_not_answer_is_not_healthy(change, wanted, daemon, config):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    health = Health(tcp=[port], seconds=0, steady_seconds=0)
    with pytest.raises(Failed, match=f"nothing answers on 127.0.0.1 port {port}/tcp"):
        change(wanted(config, "new\n"), health=health).carry_out()
    assert config.read_text() == "old\n"


def test_ports_that_answer_are_healthy(change, wanted, config):
    with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        tcp.bind(("127.0.0.1", 0))
        tcp.listen()
        udp.bind(("127.0.0.1", 0))
        ports = tcp.getsockname()[1], udp.getsockname()[1]
        health = Health(tcp=[ports[0]], udp=[ports[1]], argv=["true"], seconds=0, steady_seconds=0)
        change(wanted(config, "new\n"), health=health).carry_out()
    assert config.read_text() == "new\n"


def test_a_port_that_nobody_listens_on_and_a_probe_that_fails_are_named():
    with socket.socket(type=socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    assert Health(udp=[port]).complaint() == f"nothing listens on port {port}/udp"
    assert Health(argv=["sh", "-c", "echo no bell; false"]).complaint().endswith("says: no bell")
    assert Health(argv=["/nonexistent/probe"]).complaint() == "/nonexistent/probe is not installed"


def test_a_service_that_crashes_after_it_came_up_is_put_back(change, wanted, daemon, config, monkeypatch):
    real = daemon.show

    def restless():
        daemon.pid += 1
        return real()

    monkeypatch.setattr(daemon, "show", restless)
    with pytest.raises(Failed, match="came up and crashed"):
        change(wanted(config, "new\n")).carry_out()
    assert config.read_text() == "old\n"


def test_a_stopped_service_is_started_and_enabled(change, wanted, daemon, config):
    daemon.active = daemon.enabled = False
    made = change(wanted(config, "old\n"))
    assert made.needed
    assert "-running" not in str(made.diff())
    assert made.diff()[0]["after"] == "running, started at boot\n"
    made.carry_out()
    assert daemon.acts == ["start"]
    assert daemon.enabled


def test_a_service_that_cannot_start_with_unchanged_files_has_nothing_put_back(change, wanted, daemon, config):
    config.write_text("broken\n")
    daemon.active = False
    with pytest.raises(Failed, match="with an unchanged configuration") as failed:
        change(wanted(config, "broken\n")).carry_out()
    assert failed.value.facts == {"rolled_back": False}


def test_a_missing_unit_is_an_error_only_when_it_is_to_run(change, wanted, daemon, config, tmp_path):
    daemon.there = False
    made = change(wanted(config, "new\n"))
    assert made.needed, "check mode on a virgin host: the change is foreseen"
    assert not can_check(made, [])
    with pytest.raises(Failed, match="Install the service's package first"):
        made.carry_out()
    assert config.read_text() == "old\n"
    assert not change(wanted(tmp_path / "none", None), running=False, enabled=False).needed


def test_switching_off_stops_disables_and_removes(change, wanted, daemon, config):
    change(wanted(config, None), running=False, enabled=False).carry_out()
    assert (daemon.active, daemon.enabled, config.exists()) == (False, False, False)
    assert not change(wanted(config, None), running=False, enabled=False).needed


def test_a_pulled_plug_is_found_and_the_configuration_proved_again(change, wanted, daemon, config, tmp_path):
    # As after a power cut between swap and proof: the mark is there, and so are the new files.
    change(wanted(config, "x")).previous.keep([str(config)], True)
    config.write_text("broken\n")
    made = change(wanted(config, "broken\n"))
    assert not made.files
    assert made.needed
    with pytest.raises(Failed) as failed:
        made.carry_out()
    assert failed.value.facts["rolled_back"]
    assert config.read_text() == "old\n", "what the service last came up with, not what the plug left"
    assert daemon.read == "old\n"


def test_a_pulled_plug_with_a_good_configuration_ends_well(change, wanted, daemon, config, tmp_path):
    change(wanted(config, "x")).previous.keep([str(config)], True)
    config.write_text("new\n")
    change(wanted(config, "new\n")).carry_out()
    assert daemon.acts == ["restart"]
    assert not change(wanted(config, "new\n")).needed


def test_after_a_pulled_plug_another_change_still_falls_back_to_the_proved_files(change, wanted, config):
    change(wanted(config, "x")).previous.keep([str(config)], True)
    config.write_text("half\n")
    with pytest.raises(Failed):
        change(wanted(config, "broken\n")).carry_out()
    assert config.read_text() == "old\n"


def test_a_full_disk_midway_puts_everything_back(change, wanted, daemon, config, monkeypatch):
    second = config.parent / "second.conf"
    real = files_of.write

    def full(path, *rest):
        if path == str(second):
            raise OSError(28, "No space left on device")
        real(path, *rest)

    monkeypatch.setattr(files_of, "write", full)
    with pytest.raises(Failed, match="No space left") as failed:
        change(wanted(config, "new\n"), wanted(second, "new\n")).carry_out()
    assert failed.value.facts["rolled_back"]
    assert config.read_text() == "old\n"
    assert daemon.read == "old\n"


def test_previous_files_are_readable_by_root_alone(change, wanted, config, tmp_path):
    change(wanted(config, "new\n")).carry_out()
    kept = tmp_path / "previous" / "bell"
    assert kept.stat().st_mode & 0o077 == 0
    record = json.loads((kept / "previous.json").read_text())
    copy = kept / record["files"][str(config)]["copy"]
    assert copy.read_text() == "old\n"
    assert copy.stat().st_mode & 0o077 == 0


def test_a_damaged_mark_is_a_clear_error(change, wanted, config, tmp_path):
    folder = tmp_path / "previous" / "bell"
    folder.mkdir(parents=True)
    (folder / "pending.json").write_text("{")
    with pytest.raises(ConfigError, match=r"pending\.json is damaged"):
        change(wanted(config, "new\n"))


def test_unit_files_are_reread(change, wanted, config, daemon, tmp_path, monkeypatch):
    monkeypatch.setattr("ansible_collections.sugar.deploy.plugins.module_utils.change.UNIT_FILES", str(tmp_path))
    change(wanted(config, "new\n")).carry_out()
    assert daemon.acts == ["daemon-reload", "restart"]


def test_no_draft_is_left(change, wanted, config):
    stale = config.parent / f".{config.name}.sugar-deploy-new"
    stale.write_text("left by a pulled plug")
    change(wanted(config, "new\n")).carry_out()
    assert list(config.parent.iterdir()) == [config]


def test_folders_of_new_files_are_made(change, wanted, config, tmp_path):
    path = Path(tmp_path / "new" / "folder" / "a.conf")
    change(wanted(path, "a\n")).carry_out()
    assert path.read_text() == "a\n"
