"""The administrator's commands, beside a daemon that runs or does not."""

from __future__ import annotations

import json
import os
import subprocess

import pytest

from .laptop import made_up_key, register


def test_check_config_names_everything(debian_server):
    debian_server.configure("[server]\nfqnd = a\n")
    debian_server.configure("[registration]\nwho = listed\n", "conf.d/10-list.conf")
    done = debian_server.command("check-config", "--root", str(debian_server.root))
    assert done.returncode == 2
    assert done.stderr.splitlines() == [
        "/etc/sugar-server/conf.d/10-list.conf:2: [registration] laptops: is needed when who = listed. "
        "Write the path of the CSV.",
        '/etc/sugar-server/sugar-server.conf:2: [server] fqnd: unknown key. Did you mean "fqdn"?',
    ]


def test_check_config_is_content(debian_server):
    done = debian_server.command("check-config", "--root", str(debian_server.root))
    assert done.returncode == 0
    assert done.stdout.endswith("The settings are valid.\n")


def test_check_config_of_nothing(debian_server):
    done = debian_server.command("check-config", "--root", "/nowhere")
    assert done.returncode == 1
    assert "not a folder" in done.stderr


def test_wrong_settings_keep_the_daemon_from_starting(debian_server):
    debian_server.configure("[server]\nfqdn = a b\n")
    done = debian_server.command("serve", "--root", str(debian_server.root), "--listen", "127.0.0.1:0")
    assert done.returncode == 2
    assert "[server] fqdn" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("address", ["127.0.0.1:99999", "nonsense", "256.0.0.1:80", "127.0.0.1:x"])
def test_an_impossible_address(debian_server, address):
    done = debian_server.command("serve", "--root", str(debian_server.root), "--listen", address)
    assert done.returncode == 1
    assert done.stderr.startswith("sugar-server: Cannot listen on " + address)


def test_listing(debian_server):
    debian_server.start()
    assert debian_server.command("registrations").stdout == "No laptop has registered yet.\n"
    register(debian_server.url, "SHC00700123", "Ñusta\u202e\r", "", made_up_key())
    (row,) = json.loads(debian_server.command("registrations", "--json").stdout)
    line = debian_server.command("registrations").stdout
    assert line.split()[0] == "accepted"
    assert {"SHC00700123", row["fingerprint"]} <= set(line.split())
    assert line.endswith("Ñusta?\n") or line.endswith("Ñusta??\n")


def test_unknown_fingerprints(debian_server):
    debian_server.start()
    for command in ("approve", "forget"):
        done = debian_server.command(command, "SHA256:none")
        assert done.returncode == 1
        assert "sugar-server registrations" in done.stderr


def test_several_are_forgotten_at_once_all_or_none(debian_server):
    debian_server.start()
    for number in range(3):
        register(debian_server.url, f"SHC0070012{number}", "x", "", made_up_key())
    names = [str(row["fingerprint"]) for row in debian_server.registrations()]
    assert debian_server.command("forget", names[0], "SHA256:none").returncode == 1
    assert len(debian_server.registrations()) == 3
    assert debian_server.command("forget", "--if-registered", *names[:2], "SHA256:none").returncode == 0
    assert [row["fingerprint"] for row in debian_server.registrations()] == names[2:]


def test_without_a_database(debian_server):
    done = debian_server.command("registrations")
    assert done.returncode == 1
    assert "systemctl start sugar-server" in done.stderr


def test_health_of_a_stopped_daemon(debian_server):
    done = debian_server.command("health", "--url", debian_server.url + "/health")
    assert done.returncode == 1
    assert "journalctl -u sugar-server" in done.stderr


def test_what_an_administrator_leaves_belongs_to_the_daemon(debian_server):
    """Files of the database that belong to root would lock the daemon out."""
    debian_server.start()
    register(debian_server.url, "SHC00700123", "x", "", made_up_key())
    debian_server.stop()
    owner = 65534 if os.geteuid() == 0 else os.geteuid()
    for path in (debian_server.state, *debian_server.state.iterdir()):
        os.chown(path, owner, -1)
    done = debian_server.command("forget", str(debian_server.registrations()[0]["fingerprint"]))
    assert done.returncode == 0, done.stderr
    assert {path.stat().st_uid for path in debian_server.state.iterdir()} == {owner}


def test_help_has_examples(debian_server):
    done = debian_server.command("check-config", "--help")
    assert "--root DIR" in done.stdout
    overview = subprocess.run(
        [debian_server.python, "-m", "sugar_server", "--help"],
        env=debian_server.environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "examples:" in overview.stdout
    for command in ("serve", "check-config", "health", "registrations", "approve", "forget"):
        assert command in overview.stdout
