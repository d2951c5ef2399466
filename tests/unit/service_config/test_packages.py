"""Packages as dpkg and apt describe them, the deployer's drop-ins, and odd names in configuration files."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleLookupError
from ansible_collections.sugar.deploy.plugins.filter.hex import to_hex
from ansible_collections.sugar.deploy.plugins.lookup.overrides import drop_ins
from ansible_collections.sugar.deploy.plugins.modules.packages import Packages, wanted_changes

DPKG = (
    "chrony:amd64\tinstall ok installed\t4.3-2\n",
    "locales\tinstall ok installed\t2.36\n",
    "dnsmasq\tdeinstall ok config-files\t2.90\n",
)
POLICY = "chrony:\n  Installed: 4.3-2\n  Candidate: 4.6-1\nlocales:\n  Installed: 2.36\n  Candidate: 2.36\n"


class Host:
    """Answers commands as a host would."""

    params = {"lock_seconds": 1}  # noqa: RUF012

    def __init__(self, **answers):
        self.answers = {"apt-cache": (0, POLICY, ""), **answers}
        self.ran = []

    def run_command(self, argv):
        self.ran.append(argv)
        if argv[0] == "dpkg-query":
            return 0, "".join(row for row in DPKG if row.split("\t")[0].split(":")[0] in argv), ""
        answer = self.answers.get(argv[0], (0, "", ""))
        return answer.pop(0) if isinstance(answer, list) else answer


@pytest.mark.parametrize(
    ("names", "state", "todo"),
    [
        (["chrony", "locales"], "present", []),
        (["chrony", "dnsmasq", "sugar-server"], "present", ["dnsmasq", "sugar-server"]),
        (["chrony", "locales"], "latest", ["chrony"]),
        (["chrony", "dnsmasq", "sugar-server"], "absent", ["chrony"]),
    ],
)
def test_what_is_to_do_follows_from_what_is_wholly_installed(names, state, todo):
    assert wanted_changes(Packages(Host()), names, state)[0] == todo


def test_lists_are_refreshed_once_when_a_package_is_not_in_them(monkeypatch):
    unknown = (100, "", "E: Unable to locate package sugar-server")
    host = Host(**{"apt-get": [unknown, (0, "", ""), (0, "", "")]})
    packages = Packages(host)
    monkeypatch.setattr(packages, "finish_interrupted", lambda: None)
    assert packages.change("install", ["sugar-server"]) is None
    assert [argv[1] for argv in host.ran] == ["install", "update", "install"]


def test_a_refusal_of_apt_is_passed_on(monkeypatch):
    packages = Packages(Host(**{"apt-get": (100, "", "E: No space left on device")}))
    monkeypatch.setattr(packages, "finish_interrupted", lambda: None)
    assert packages.change("install", ["chrony"]) == "E: No space left on device"


def test_drop_ins_come_in_the_order_of_their_names(tmp_path):
    folder = tmp_path / "overrides" / "dnsmasq"
    folder.mkdir(parents=True)
    for name in ("20-b.conf", "10-a.conf", "notes.txt"):
        (folder / name).write_text(name)
    assert drop_ins(tmp_path, "dnsmasq", "/etc/dnsmasq.d/90-") == [
        {"path": "/etc/dnsmasq.d/90-10-a.conf", "content": "10-a.conf"},
        {"path": "/etc/dnsmasq.d/90-20-b.conf", "content": "20-b.conf"},
    ]
    assert drop_ins(tmp_path, "chrony", "/etc/") == []
    (folder / "10-a.conf").write_bytes(b"caf\xe9")
    with pytest.raises(AnsibleLookupError, match=r"10-a\.conf cannot be read as UTF-8"):
        drop_ins(tmp_path, "dnsmasq", "/etc/")


def test_a_network_s_name_may_hold_anything():
    assert to_hex('a"\n') == "61220a"
    assert to_hex("ñ") == "c3b1"
