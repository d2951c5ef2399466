"""The everyday lab: what its machines can do, and what they cannot reach."""

from __future__ import annotations

import socket
import subprocess

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.lab.lab import Lab

pytestmark = pytest.mark.vm


def test_systemd_runs_and_nothing_failed(lab: Lab) -> None:
    for machine in lab.machines.values():
        machine.run(("systemctl", "is-system-running", "--wait"))
        assert machine.run(("hostname",)).stdout.strip() == machine.name
        assert machine.run(("systemctl", "--failed", "--plain", "--no-legend")).stdout == ""


def test_a_failing_program_is_an_error_that_says_what_and_where(lab: Lab) -> None:
    with pytest.raises(DeployError, match=r"lima: `ls /nowhere` failed: .*No such file"):
        lab.machines["lima"].run(("ls", "/nowhere"))


def test_words_reach_the_machine_as_they_are(lab: Lab) -> None:
    words = ("printf", "%s|", "a b", "$HOME", "'quoted'", "new\nline", "")
    assert lab.machines["lima"].run(words).stdout == "a b|$HOME|'quoted'|new\nline||"


def test_another_host_key_is_refused(lab: Lab) -> None:
    server, laptop = lab.machines["lima"], lab.machines["lima-laptop"]
    argv = [word.replace(str(server.port), str(laptop.port)) for word in server.ssh_argv()]
    alias = f"HostKeyAlias=[127.0.0.1]:{server.port}"
    done = subprocess.run((*argv[:1], "-o", alias, *argv[1:], "true"), capture_output=True, text=True, check=False)
    assert done.returncode == 255
    assert "Host key verification failed" in done.stderr


def test_keys_are_readable_by_their_owner_only(lab: Lab) -> None:
    assert lab.place.root.stat().st_mode & 0o777 == 0o700
    assert lab.place.key.stat().st_mode & 0o777 == 0o600


def test_ssh_listens_on_loopback_only(lab: Lab) -> None:
    ports = {machine.port for machine in lab.machines.values()}
    listening = subprocess.run(("ss", "-Hltn"), capture_output=True, text=True, check=True).stdout
    addresses = {line.split()[3] for line in listening.splitlines()}
    assert {address for address in addresses if int(address.rpartition(":")[2]) in ports} == {
        f"127.0.0.1:{port}" for port in ports
    }


def test_packages_come_from_the_mirror(lab: Lab) -> None:
    server = lab.machines["lima"]
    server.run(("apt-get", "-q", "update"))
    assert "Candidate: 2." in server.run(("apt-cache", "policy", "dnsmasq-base")).stdout


def test_nothing_else_is_reachable_through_the_proxy(lab: Lab) -> None:
    asks = (
        "import urllib.request as r, urllib.error as e\n"
        "r.install_opener(r.build_opener(r.ProxyHandler({'http': 'http://127.0.0.1:3142'})))\n"
        "try: r.urlopen('http://example.org/', timeout=20)\n"
        "except e.HTTPError as error: print(error.code)\n"
    )
    assert lab.machines["lima"].run(("python3", "-c", asks)).stdout == "403\n"


def test_the_machine_that_runs_the_lab_is_out_of_reach(lab: Lab) -> None:
    with socket.create_server(("0.0.0.0", 0)) as here:
        port = here.getsockname()[1]
        tries = (
            f"for a in 127.0.0.1 192.0.2.1; do timeout 3 bash -c 'echo > /dev/tcp/'$a/{port} && echo $a; done; true"
        )
        assert lab.machines["lima"].run(("sh", "-c", tries)).stdout == ""


def test_the_outsider_meets_the_uplink_and_not_the_lan(lab: Lab) -> None:
    server, laptop = lab.machines["lima"], lab.machines["lima-laptop"]
    greeting = f"head -c 7 < /dev/tcp/192.0.2.10/{server.port}"
    assert lab.outsider(("bash", "-c", greeting)).stdout == "SSH-2.0"
    server.run(("ip", "address", "replace", "172.18.0.1/24", "dev", "eth1"))
    server.run(("ip", "link", "set", "eth1", "up"))
    laptop.run(("ip", "address", "replace", "172.18.0.9/24", "dev", "eth0"))
    laptop.run(("ip", "link", "set", "eth0", "up"))
    met = laptop.run(("bash", "-c", f"head -c 7 < /dev/tcp/172.18.0.1/{server.port}"))
    assert met.stdout == "SSH-2.0"
    tried = lab.outsider(("timeout", "3", "bash", "-c", f"head -c 7 < /dev/tcp/172.18.0.1/{server.port}"))
    assert (tried.returncode != 0, tried.stdout) == (True, "")
    laptop.run(("ip", "address", "flush", "dev", "eth0"))
    server.run(("ip", "address", "flush", "dev", "eth1"))


def test_a_power_cut_keeps_the_disk_and_loses_the_rest(lab: Lab) -> None:
    server = lab.machines["lima"]
    server.run(("sh", "-c", "echo kept > /root/file; echo lost > /run/file; ip link add name lost0 type bridge"))
    port = server.port
    server.power_cut()
    assert not server.running()
    with pytest.raises(DeployError):
        server.run(("true",))
    server.start()
    assert server.port == port
    assert server.run(("cat", "/root/file")).stdout == "kept\n"
    assert server.run(("ls", "/run/file", "/sys/class/net/lost0"), check=False).stdout == ""


def test_a_snapshot_is_restored_as_it_was(lab: Lab) -> None:
    server = lab.machines["lima"]
    server.run(("sh", "-c", "mkdir -p /opt/a && echo before > /opt/a/b && rm -f /etc/issue.net"))
    server.snapshot("before")
    server.run(("sh", "-c", "echo after > /opt/a/b; rm /etc/issue; : > /etc/issue.net; mv /etc/apt /etc/gone"))
    server.restore("before")
    assert server.run(("cat", "/opt/a/b")).stdout == "before\n"
    assert server.run(("ls", "-d", "/etc/issue", "/etc/apt")).stdout == "/etc/apt\n/etc/issue\n"
    assert server.run(("ls", "/etc/issue.net"), check=False).returncode != 0


def test_restoring_what_was_never_kept_is_an_error(lab: Lab) -> None:
    with pytest.raises(DeployError, match="no snapshot nothing"):
        lab.machines["lima"].restore("nothing")
    lab.machines["lima"].start()


def test_it_shuts_down_in_good_order(lab: Lab) -> None:
    laptop = lab.machines["lima-laptop"]
    laptop.stop()
    assert "Reached target" in laptop.console.read_text(errors="replace")
    assert not laptop.running()
    laptop.start()
    assert laptop.running()
