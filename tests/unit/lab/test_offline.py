"""What the lab's offline trial compares, writes and refuses, without any machine."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from sugar_deploy.cli import main
from sugar_deploy.deployment.model import Deployment
from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.lab import inside
from sugar_deploy.lab.guest import Identity, guest_files
from sugar_deploy.lab.newer import BROKEN, CAUSE, raise_version, version_of
from sugar_deploy.lab.qemu import wire_files
from sugar_deploy.lab.school import Now, Said
from sugar_deploy.lab.spec import MachineSpec, Nic
from sugar_deploy.lab.stick import Stick
from sugar_deploy.lab.topology import machines_for
from tests.unit.lab.test_topology import LAN, deployment, school

SERVER = MachineSpec("lima", "server", "lima", (Nic("eth0", "unplugged0"), Nic("eth1", "lan0")), offline=True)
IDENTITY = Identity("0" * 32, "PRIVATE", "PUBLIC", "ssh-ed25519 AAAA lab")


def test_an_offline_server_has_a_lan_and_an_uplink_without_a_cable() -> None:
    server, laptop = machines_for(deployment(lima=school(lan=LAN)), offline=True)
    assert server == SERVER
    assert laptop == MachineSpec("lima-laptop", "client", "lima", (Nic("eth0", "lan0"),), memory_mib=512)


def test_a_server_that_nobody_could_reach_is_refused() -> None:
    given: Deployment = deployment(lima=school())
    with pytest.raises(UsageError, match="lima has no LAN of its own"):
        machines_for(given, offline=True)


def test_the_command_refuses_it_before_anything_boots(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SUGAR_DEPLOY_LAB_RUNTIME", str(tmp_path / "run"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(SystemExit) as ended:
        main(["lab", "test", "--offline", "--scenario", "online-peers", "--backend", "nspawn"])
    assert ended.value.code == 2
    assert "has no LAN of its own" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_an_offline_machine_is_given_no_address_and_no_proxy() -> None:
    files = {file.path: file.content for file in guest_files(SERVER, IDENTITY, 40001)}
    assert not [path for path in files if "network" in path or "proxy" in path]
    assert files["etc/resolv.conf"] == ""
    units = [file.content for file in wire_files(SERVER, 40001) if "3142" in file.content]
    assert units == []


def now(**given: Any) -> Now:
    some: dict[str, Any] = {
        "packages": {"sugar-server": "0.1.0", "chrony": "4.3"},
        "settings": {},
        "registrations": [{"nick": "Ana"}],
        "accounts": {"/a": "1"},
        "services": {"ssh": "active"},
        "record": {"serial": 1},
        "failed": "",
    }
    return Now(**(some | given))


def test_what_differs_is_told_and_what_may_differ_is_left_out() -> None:
    later = now(packages={"sugar-server": "0.2.0"}, registrations=[], record=None)
    assert later.differs(now(), "record") == [
        "packages: chrony: 4.3 before, None now",
        "packages: sugar-server: 0.1.0 before, 0.2.0 now",
        "registrations: [{'nick': 'Ana'}] before, [] now",
    ]
    assert now().differs(now()) == []


def test_an_installations_error_is_found_in_what_it_says() -> None:
    lines = ["install.sh: sugar-deploy 0.1.0", "Error: the stick is gone", "Log: /var/log/x"]
    assert Said(1, lines).error == "Error: the stick is gone"
    assert Said(1, ["sugar-deploy: it failed"]).error == "sugar-deploy: it failed"
    assert Said(0).error == "nothing"


def test_a_newer_version_is_newer_to_dpkg(tmp_path: Path) -> None:
    source = tmp_path / "sugar-server"
    (source / "debian").mkdir(parents=True)
    log = source / "debian" / "changelog"
    trailer = " -- A <a@b.invalid>  Sat, 21 Nov 2026 00:00:00 +0000\n"
    entry = f"sugar-server (0.1.0) unstable; urgency=medium\n\n  * First.\n\n{trailer}"
    log.write_text(entry)
    raise_version(source, f"{version_of(source)}+lab2")
    assert log.read_text().endswith("\n\n" + entry)
    said = subprocess.run(["dpkg-parsechangelog", "-l", str(log)], capture_output=True, text=True, check=True).stdout
    assert "Version: 0.1.0+lab2\n" in said
    assert "Date: Sat, 21 Nov 2026 00:00:00 +0000\n" in said
    assert (
        subprocess.run(["dpkg", "--compare-versions", "0.1.0+lab2", "gt", "0.1.0+lab1"], check=False).returncode == 0
    )


def test_the_broken_daemon_breaks_only_when_it_serves() -> None:
    compile(BROKEN, "broken", "exec")
    assert CAUSE in BROKEN
    namespace: dict[str, Any] = {"sys": type("sys", (), {"argv": ["sugar-server", "registrations"], "exit": exit})}
    exec(BROKEN.replace("import sqlite3", ""), namespace)


def test_what_is_inside_is_told_with_links_and_without_what_never_rests(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    (tmp_path / "link").symlink_to("a")
    found = inside.files(str(tmp_path))
    # sha256sum of "text"
    assert found == {str(tmp_path / "a"): "982d9e3eb996f559", str(tmp_path / "link"): "a"}
    assert "/etc/ld.so.cache" not in inside.files("/etc")


def test_a_stick_is_mounted_where_nobody_else_sees_it(tmp_path: Path) -> None:
    argv = Stick(tmp_path / "image").mounted_argv(tmp_path / "at", ("ls", "a b"))
    assert argv[:2] == ("unshare", "--mount")
    assert argv[-4:] == (str(tmp_path / "image"), str(tmp_path / "at"), "ls", "a b")


def test_only_fat32_is_filled_without_mounting(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="ext4"):
        Stick(tmp_path / "image").fill(tmp_path)
    stick = Stick.make(tmp_path / "fat", "fat32", size_mib=40)
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "install.sh").write_text("#!/bin/sh\n")
    stick.fill(tmp_path / "bundle")
    listed = subprocess.run(
        ["mdir", "-i", str(stick.file), "-b", "::"], capture_output=True, text=True, check=True
    ).stdout
    assert listed == "::/install.sh\n"
