"""A machine is judged by what it says of itself."""

import pytest

from sugar_deploy.remote.probe import examine

FIT = {
    "os": "debian",
    "release": "bookworm",
    "version": "12",
    "architecture": "amd64",
    "init": "systemd",
    "python": "3.11",
    "disk_mib": "9000",
    "memory_mib": "241",
    "clock_offset": "-2.4",
    "user": "deployer",
    "uid": "1000",
    "interfaces": "lo eth0 eth1 ",
    "sudo": "free",
}


def test_a_fit_machine_passes_with_nothing_to_remedy() -> None:
    findings = examine(FIT, ("eth0", "eth1"))
    assert [found.check for found in findings if not found.ok] == []
    assert all(not found.remedy for found in findings)


@pytest.mark.parametrize(
    ("fact", "value", "check", "remedy"),
    [
        ("release", "bullseye", "system", "Debian 12"),
        ("os", "ubuntu", "system", "Debian 12"),
        ("architecture", "riscv64", "architecture", "amd64"),
        ("init", "init", "init", "systemd"),
        ("python", "", "python", "apt-get install python3"),
        ("python", "3.8", "python", "apt-get install python3"),
        ("sudo", "missing", "sudo", "adduser deployer sudo"),
        ("disk_mib", "700", "disk", "2048 MiB"),
        ("disk_mib", "", "disk", "2048 MiB"),
        ("memory_mib", "120", "memory", "256 MB"),
        ("clock_offset", "-315360000.0", "clock", "date -s"),
        ("interfaces", "lo enp3s0", "interface eth1", "deployment.yml"),
    ],
)
def test_each_fault_is_named_with_its_remedy(fact: str, value: str, check: str, remedy: str) -> None:
    findings = examine(FIT | {fact: value}, ("eth1",))
    failed = {found.check: found.remedy for found in findings if not found.ok}
    assert list(failed) == [check]
    assert remedy in failed[check]


def test_facts_that_a_machine_does_not_tell_are_no_traceback() -> None:
    assert not all(found.ok for found in examine({}))
