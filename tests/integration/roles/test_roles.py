"""The roles on a real server, in the order of its life: never deployed, deployed, changed, broken, switched off.

The tests of this file build on each other; each suite's run starts with a server that has never been deployed.
"""

from __future__ import annotations

import re

import pytest

from tests.integration.roles.conftest import ROLES, WITHOUT_LAN, School

pytestmark = pytest.mark.vm
# What comes after the first days is met by the same tasks on each release.
on_the_newest = pytest.mark.parametrize("school", ["trixie"], indirect=True, scope="package")
NAMES = ["schoolserver", "school", "library", "presence", "xs", "www", "ntp", "time", "box", "escuela", "schule",
         "conference.schoolserver", "lima", "conference.lima"]  # fmt: skip


def test_check_mode_on_a_server_that_was_never_deployed_foresees_and_changes_nothing(school: School) -> None:
    before = school.says("find", "/etc", "/var/lib/sugar-deploy", "-newermt", "@0", "-printf", "%p %T@ %s\n")
    run = school.apply(ROLES, "--check", "--diff")
    assert run.status == 0, run.output
    assert run.changed > 10, run.output
    assert "+dhcp-range=172.18.96.2,172.18.127.254,180m" in run.output
    assert "+PasswordAuthentication no" in run.output
    after = school.says("find", "/etc", "/var/lib/sugar-deploy", "-newermt", "@0", "-printf", "%p %T@ %s\n")
    assert after == before


def test_the_first_apply_brings_it_up_and_the_second_changes_nothing(school: School) -> None:
    run = school.apply()
    assert run.status == 0, run.output
    again = school.apply()
    assert (again.status, again.changed) == (0, 0), again.output
    foreseen = school.apply(ROLES, "--check")
    assert (foreseen.status, foreseen.changed) == (0, 0), foreseen.output


def test_the_base_system_is_the_deployment_s(school: School) -> None:
    assert school.says("hostname", "--fqdn") == "lima.lan"
    assert school.says("readlink", "/etc/localtime") == "/usr/share/zoneinfo/America/Lima"
    assert {"es_PE.utf8", "ca_ES.utf8@valencia"} <= set(school.says("locale", "-a").split())
    assert "LANG=es_PE.UTF-8" in school.says("cat", "/etc/default/locale")
    timers = school.says("systemctl", "show", "--property=TimersCalendar", "apt-daily-upgrade.timer")
    assert "OnCalendar=*-*-* 03:30:00" in timers
    assert timers.count("OnCalendar") == 1
    origins = school.says("apt-config", "dump", "Unattended-Upgrade::Origins-Pattern")
    assert "origin=lima" in origins
    assert "Debian-Security" in origins


@on_the_newest
def test_the_repository_is_carried_signed_and_replaced(school: School) -> None:
    assert "Candidate: 1.0" in school.says("env", "LC_ALL=C", "apt-cache", "policy", "bell")
    assert "trusted" not in school.says("cat", "/etc/apt/sources.list.d/lima.sources").lower()
    school.archive.publish("1.1")
    foreseen = school.apply("repository", "--check")
    assert foreseen.changed > 0
    run = school.apply("repository")
    assert run.status == 0, run.output
    assert "Candidate: 1.1" in school.says("env", "LC_ALL=C", "apt-cache", "policy", "bell")
    # The state before stays until a whole run has settled.
    states = school.says("sh", "-c", "ls -d /var/lib/sugar-deploy/repository-*").split()
    assert len(states) == 2
    assert school.apply("repository").changed == 0


@on_the_newest
def test_a_repository_that_somebody_has_changed_is_refused(school: School) -> None:
    dists = "/var/lib/sugar-deploy/repository/dists"
    index = f"{dists}/{school.lab.suite}/main/binary-amd64"
    school.says("sh", "-c", f"cp -a {dists} /root/kept && for f in {index}/Packages*; do echo >> $f; done; "
                "rm -f /var/lib/apt/lists/*sugar-deploy*")  # fmt: skip
    run = school.apply("repository")
    assert run.status != 0
    assert "cannot be used" in run.output
    # All of it: files of the same content are one file, so that what was added stands in other indexes too.
    school.says("sh", "-c", f"rm -r {dists} && mv /root/kept {dists}")
    assert school.apply("repository").status == 0


def test_a_laptop_gets_an_address_names_and_the_time(school: School) -> None:
    got = school.on_laptop("dhclient", "-v", "-1", "eth0")
    assert got.returncode == 0, got.stderr
    assert "from 172.18.96.1" in got.stderr
    address = school.on_laptop("ip", "-4", "-oneline", "address", "show", "dev", "eth0").stdout
    assert re.search(r"inet 172\.18\.(9[6-9]|1[01]\d|12[0-7])\.\d+/19", address), address
    assert "default via 172.18.96.1" in school.on_laptop("ip", "route").stdout
    assert "search lan" in school.on_laptop("cat", "/etc/resolv.conf").stdout
    for name in [*NAMES, *(f"{name}.lan" for name in NAMES)]:
        assert school.on_laptop("getent", "ahostsv4", name).stdout.startswith("172.18.96.1 "), name
    assert school.on_laptop("getent", "ahostsv4", "printer").stdout.startswith("172.18.96.9 ")
    probe = (
        "import socket;s=socket.socket(2,2);s.settimeout(5);"
        "s.sendto(b'\\x23'+47*b'\\0',('ntp',123));print(s.recv(99)[1])"
    )
    assert 1 <= int(school.on_laptop("python3", "-c", probe).stdout) <= 10, "a stratum that clients accept"


def test_a_laptop_cannot_reach_what_is_not_for_laptops(school: School) -> None:
    for port in (22, 9999):
        tried = school.on_laptop("timeout", "5", "bash", "-c", f"< /dev/tcp/172.18.96.1/{port}")
        assert tried.returncode == 1, f"port {port}: refused at once, neither open nor silent"


def test_nothing_is_served_on_the_uplink(school: School) -> None:
    listening = school.says("ss", "-Hlnu", "sport = :67")
    assert "%eth1" in listening
    assert "eth0" not in listening
    for port in (53, 80, 8080, 5222, 5223):
        tried = school.lab.outsider(("timeout", "2", "bash", "-c", f"< /dev/tcp/192.0.2.10/{port}"))
        assert tried.returncode != 0, port
    for port in (53, 67, 123):
        script = (
            "import socket;s=socket.socket(2,2);s.settimeout(1.5)\n"
            f"s.sendto(b'\\x23'+47*b'\\0',('192.0.2.10',{port}))\n"
            "try: print('answered', s.recv(99))\nexcept OSError: print('silent')"
        )
        assert school.lab.outsider(("python3", "-c", script)).stdout == "silent\n", port


@on_the_newest
@pytest.mark.parametrize(
    ("role", "service", "unit", "text", "complaint"),
    [
        (
            "lan",
            "dnsmasq",
            "dnsmasq",
            "prot=53\n",
            "bad option at line 1 of /etc/dnsmasq.d/90-sugar-override-mine.conf",
        ),
        ("sshd", "sshd", "ssh", "Nonsense yes\n", "10-sugar-override-mine.conf: line 1: Bad configuration option"),
        (
            "time",
            "chrony",
            "chrony",
            "nonsense\n",
            "Invalid directive at line 1 in file /etc/chrony/sugar.d/mine.conf",
        ),
        (
            "firewall",
            "nftables",
            "sugar-firewall",
            "nonsense\n",
            "sugar-override-mine.conf:1:9-9: Error: syntax error",
        ),
    ],
)
def test_a_broken_override_is_refused_before_anything_changes(
    school: School, role: str, service: str, unit: str, text: str, complaint: str
) -> None:
    since = school.says("systemctl", "show", "--property=ActiveEnterTimestampMonotonic", unit)
    school.override(service, text)
    try:
        for mode in ((), ("--check",)):
            run = school.apply(role, *mode)
            assert run.status != 0, mode
            assert complaint in " ".join(run.output.split()), run.output
    finally:
        school.override(service, None)
    assert school.says("systemctl", "show", "--property=ActiveEnterTimestampMonotonic", unit) == since


@on_the_newest
def test_a_valid_override_is_in_force(school: School) -> None:
    school.override("dnsmasq", "host-record=canteen.lan,172.18.96.8\n")
    assert school.apply("lan").changed == 1
    assert school.on_laptop("getent", "ahostsv4", "canteen").stdout.startswith("172.18.96.8 ")
    school.override("dnsmasq", None)
    assert school.apply("lan").changed == 1
    assert school.on_laptop("getent", "ahostsv4", "canteen").stdout == ""


@on_the_newest
def test_a_service_that_does_not_come_up_is_put_back(school: School) -> None:
    school.override("dnsmasq", "port=5353\n")
    run = school.apply("lan")
    school.override("dnsmasq", None)
    assert run.status != 0
    assert "nothing answers on 172.18.96.1 port 53/tcp" in run.output
    assert "rolled_back: true" in run.output or '"rolled_back": true' in run.output
    assert school.on_laptop("getent", "ahostsv4", "schoolserver").stdout.startswith("172.18.96.1 ")
    assert school.apply("lan").changed == 0


def ssh_port(school: School) -> str:
    """Where the server's sshd listens: the port that the lab forwards to need not be 22."""
    return next(line.split()[1] for line in school.says("sshd", "-T").splitlines() if line.startswith("port "))


@on_the_newest
def test_a_firewall_that_locks_the_deployer_out_is_put_back(school: School) -> None:
    school.override("nftables", f"insert rule inet sugar input tcp dport {ssh_port(school)} ct state new drop\n")
    run = school.apply("firewall")
    school.override("nftables", None)
    assert run.status != 0
    assert "The firewall was put back as it was" in run.output
    assert "ct state new drop" not in school.says("nft", "list", "table", "inet", "sugar")
    assert school.apply("firewall").changed == 0


@on_the_newest
def test_other_tables_are_left_alone(school: School) -> None:
    school.says("nft", "add table ip containers; add chain ip containers keep")
    run = school.apply("firewall", firewall__uplink_ports=[9443])
    assert (run.status, run.changed > 0) == (0, True), run.output
    assert "chain keep" in school.says("nft", "list", "table", "ip", "containers")
    assert "9443" in school.says("nft", "list", "table", "inet", "sugar")
    assert school.apply("firewall").status == 0


@on_the_newest
def test_a_power_cut_before_the_proof_leaves_the_last_proved_firewall(school: School) -> None:
    school.says("/usr/local/lib/sugar-deploy/firewall-guard", "arm", "600")
    bad = f"insert rule inet sugar input tcp dport {ssh_port(school)} drop"
    school.says("sh", "-c", f"echo '{bad}' > /etc/nftables.d/sugar-override-bad.conf; sync")
    school.server.power_cut()
    school.server.start()
    school.server.wait_for_ssh()
    assert school.says("systemctl", "is-active", "sugar-firewall") == "active"
    assert f"dport {ssh_port(school)} drop" not in school.says("nft", "list", "table", "inet", "sugar")
    run = school.apply()
    assert (run.status, run.changed) == (0, 0), run.output


@on_the_newest
def test_an_interface_that_is_missing_or_taken_is_named_with_a_remedy(school: School) -> None:
    run = school.apply("lan", lan__interface="eth7")
    assert "has no interface eth7; it has eth0, eth1" in " ".join(run.output.split())
    run = school.apply("lan", lan__interface="eth0", lan__uplink=None)
    assert "is the interface through which lima reaches the Internet" in " ".join(run.output.split())
    stanza = "mkdir -p /etc/network/interfaces.d; echo 'iface eth1 inet dhcp' > /etc/network/interfaces.d/eth1"
    school.says("sh", "-c", stanza)
    run = school.apply("lan")
    school.says("rm", "-r", "/etc/network")
    assert "already configured by /etc/network/interfaces.d/eth1" in " ".join(run.output.split())


@on_the_newest
def test_without_an_uplink_other_names_do_not_exist_and_nothing_is_routed(school: School) -> None:
    alone = {"lan__gateway": False, "firewall__gateway": False, "lan__uplink": None,
             "firewall__uplink_interface": None, "time__upstream": []}  # fmt: skip
    run = school.apply(**alone)
    assert run.status == 0, run.output
    assert school.apply(**alone).changed == 0
    assert school.says("cat", "/proc/sys/net/ipv4/ip_forward") == "0"
    assert "Stratum         : 10" in school.says("chronyc", "-n", "tracking")
    # The lab's server has come back from its power cut with another hardware address, which laptops learn first.
    school.on_laptop("getent", "ahostsv4", "schoolserver")
    assert school.on_laptop("timeout", "5", "getent", "ahostsv4", "example.org").returncode == 2


@on_the_newest
def test_whoever_has_no_key_is_not_locked_out(school: School) -> None:
    # As for an administrator who logs in with a password: a key that is no key of theirs lets them in meanwhile.
    move = "sed -i 's/^/restrict,pty /' /root/.ssh/authorized_keys"
    school.says("sh", "-c", move)
    run = school.apply("sshd")
    school.says("sed", "-i", "s/^restrict,pty //", "/root/.ssh/authorized_keys")
    assert run.status != 0
    assert "root has no key in ~/.ssh/authorized_keys" in " ".join(run.output.split())
    assert school.apply("sshd").changed == 0


@on_the_newest
def test_switched_off_nothing_is_left(school: School) -> None:
    run = school.apply(**WITHOUT_LAN)
    assert run.status == 0, run.output
    assert school.apply(**WITHOUT_LAN).changed == 0
    assert school.says("ip", "-4", "address", "show", "dev", "eth1") == ""
    assert school.says("ss", "-Hlntu", "sport = :53 or sport = :67 or sport = :123") == ""
    left = "ls -d /etc/dnsmasq.d/*sugar* /etc/systemd/network/*sugar* /etc/sysctl.d/*sugar* 2>/dev/null"
    assert school.says("sh", "-c", left) == ""
    assert school.says("systemctl", "is-active", "systemd-networkd") == "active", "the uplink is still its own"
    run = school.apply("firewall", **WITHOUT_LAN, firewall__enabled=False)
    assert run.status == 0, run.output
    assert school.says("nft", "list", "tables") == "table ip containers" or "sugar" not in school.says(
        "nft", "list", "tables"
    )
    assert school.apply("firewall", **WITHOUT_LAN, firewall__enabled=False).changed == 0
