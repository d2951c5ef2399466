"""What laptops on OLPC OS are given, written down by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sugar_deploy.deployment.model import Deployment, Scenario
from sugar_deploy.errors import DeployError
from sugar_deploy.repository.client_settings import client_settings, kinds, main_scenario, scenarios
from sugar_deploy.repository.rpm.build import createrepo_argv, rpmbuild_argv
from sugar_deploy.repository.rpm.files import gconf_tree
from sugar_deploy.repository.rpm.spec import RpmPackage, content_digest, rpm_packages, spec
from sugar_deploy.repository.rpm.yum import dated, version_of
from sugar_deploy.scenario.plan import Plan
from sugar_deploy.scenario.resolve import resolve

LAN = {"interface": "eth1", "address": "172.18.96.1/19"}
SCHOOL = {"scenario": "offline-server", "lan": LAN}
PEERS = {"scenario": "online-peers", "role": "master", "server": {"address": "meet.example.org"}}


def plan(schools: dict[str, dict[str, Any]], **more: Any) -> Plan:
    """Resolve schools, each with a server unless it describes its own."""
    described = {name: {"server": {"address": "192.0.2.1"}, **school} for name, school in schools.items()}
    data = {"version": 1, "name": "lima", "title": "Lima", "domain": "example.org", "schools": described, **more}
    return resolve(Deployment.model_validate(data))


def files(package: RpmPackage) -> dict[str, str]:
    """Text by path."""
    return {file.path: file.text for file in package.files}


def test_laptops_of_a_lan_ask_for_the_name_that_each_server_has_there() -> None:
    settings = client_settings(plan({"one": SCHOOL, "two": SCHOOL}), Scenario.OFFLINE_SERVER)
    assert settings.server == "schoolserver"
    assert settings.update_url == "http://schoolserver/activities/"
    assert settings.repository_url == "http://schoolserver/repository"
    assert not settings.repository_on_web


def test_laptops_of_the_internet_go_to_the_master() -> None:
    other = {"scenario": "online-peers", "server": {"address": "aaa.example.org"}}
    resolved = plan({"aaa": other, "zzz": PEERS}, repository={"url": "https://packages.example.org/lima/"})
    settings = client_settings(resolved, Scenario.ONLINE_PEERS)
    assert settings.server == "meet.example.org"
    assert settings.repository_url == "https://packages.example.org/lima"
    assert settings.repository_on_web


def test_a_server_in_a_building_whose_network_is_not_ours_goes_by_its_own_name() -> None:
    school = {"scenario": "online-server", "uplink": {"interface": "eth0"}}
    assert client_settings(plan({"centro": school}), Scenario.ONLINE_SERVER).server == "centro.example.org"


def test_most_schools_speak_for_the_deployment() -> None:
    mixed = plan({"a": PEERS, "b": SCHOOL, "c": SCHOOL})
    assert main_scenario(mixed) is Scenario.OFFLINE_SERVER
    assert scenarios(mixed) == (Scenario.OFFLINE_SERVER, Scenario.ONLINE_PEERS)


def test_several_masters_are_kinds_of_their_own() -> None:
    second = {**PEERS, "server": {"address": "second.example.org"}}
    found = kinds(plan({"a": PEERS, "b": second}))
    assert {kind: settings.server for kind, settings in found.items()} == {
        "online-peers": "meet.example.org",
        "online-peers-a": "meet.example.org",
        "online-peers-b": "second.example.org",
    }


def test_a_deployment_without_schools_has_no_laptops() -> None:
    assert main_scenario(plan({})) is None
    assert rpm_packages(plan({}), "KEY") == ()


def test_every_kind_of_laptop_has_its_package_and_only_one_of_them() -> None:
    base, offline, peers = rpm_packages(plan({"a": PEERS, "b": SCHOOL, "c": SCHOOL}), "KEY")
    assert base.name == "lima-client-config"
    assert (offline.name, peers.name) == ("lima-offline-server-client", "lima-online-peers-client")
    assert offline.requires == peers.requires == ("lima-client-config",)
    assert offline.conflicts == ("lima-online-peers-client",)
    assert peers.conflicts == ("lima-offline-server-client",)


def test_the_client_configuration_holds_key_repository_and_settings() -> None:
    base = rpm_packages(plan({"b": SCHOOL}, repository={"url": "http://packages.example.org"}), "KEY\n")[0]
    found = files(base)
    assert found["/etc/yum.repos.d/lima.repo"].splitlines() == [
        "[lima]",
        "name=lima",
        "baseurl=http://packages.example.org/yum/",
        "enabled=1",
        "gpgcheck=1",
        "gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-lima",
        "skip_if_unavailable=1",
    ]
    assert found["/etc/pki/rpm-gpg/RPM-GPG-KEY-lima"] == "KEY\n"
    assert found["/etc/gconf/2/local-defaults.path"].splitlines() == [
        "include /etc/gconf/2/lima-offline-server-client.path",
        "include /etc/gconf/2/lima-client-config.path",
    ]
    assert found["/etc/gconf/2/lima-client-config.path"] == "xml:readonly:/etc/gconf/gconf.xml.lima-client-config\n"


def test_a_repository_that_nobody_serves_is_not_asked() -> None:
    base = rpm_packages(plan({"b": SCHOOL}), "KEY")[0]
    assert "enabled=0" in files(base)["/etc/yum.repos.d/lima.repo"].splitlines()


def test_a_laptop_is_never_told_that_it_is_registered() -> None:
    for package in rpm_packages(plan({"a": PEERS, "b": SCHOOL}), "KEY"):
        for text in files(package).values():
            assert "backup" not in text


def test_a_gconf_source_is_a_tree_of_folders() -> None:
    assert gconf_tree({"/desktop/sugar/b/two": "<&>", "/desktop/sugar/a/one": "1", "/desktop/zero": "0"}) == (
        '<?xml version="1.0"?>\n'
        "<gconf>\n"
        '  <dir name="desktop">\n'
        '    <dir name="sugar">\n'
        '      <dir name="a">\n'
        '        <entry name="one" mtime="0" type="string">\n'
        "          <stringvalue>1</stringvalue>\n"
        "        </entry>\n"
        "      </dir>\n"
        '      <dir name="b">\n'
        '        <entry name="two" mtime="0" type="string">\n'
        "          <stringvalue>&lt;&amp;&gt;</stringvalue>\n"
        "        </entry>\n"
        "      </dir>\n"
        "    </dir>\n"
        '    <entry name="zero" mtime="0" type="string">\n'
        "      <stringvalue>0</stringvalue>\n"
        "    </entry>\n"
        "  </dir>\n"
        "</gconf>\n"
    )


def test_a_spec_runs_nothing_on_the_laptop_and_owns_its_own_folders_only() -> None:
    offline = rpm_packages(plan({"a": PEERS, "b": SCHOOL}), "KEY")[1]
    lines = spec(offline, "1.2").splitlines()
    assert not [line for line in lines if line.startswith(("%pre", "%post", "%trigger", "%verify"))]
    assert "Requires: lima-client-config = 1.2-1" in lines
    assert [line for line in lines if line.startswith("%dir")] == [
        "%dir /etc/gconf/gconf.xml.lima-offline-server-client"
    ]
    assert "/etc/gconf/gconf.xml.lima-offline-server-client/%%gconf-tree.xml" in lines


def test_the_digest_follows_the_content() -> None:
    one = content_digest(rpm_packages(plan({"b": SCHOOL}), "KEY"))
    assert one == content_digest(rpm_packages(plan({"b": SCHOOL}), "KEY"))
    assert one != content_digest(rpm_packages(plan({"b": SCHOOL}), "OTHER KEY"))
    assert one != content_digest(rpm_packages(plan({"b": PEERS}), "KEY"))


def test_versions_only_grow(tmp_path: Path) -> None:
    record = tmp_path / "versions.json"
    first = version_of(dated("a" * 64, record, 86400.0))
    assert first == "1.19700102000000.aaaaaaaa"
    assert version_of(dated("a" * 64, record, 90000.0)) == first
    assert version_of(dated("b" * 64, record, 3600.0)) == "1.19700102000001.bbbbbbbb", "the clock had gone back"
    assert version_of(dated("a" * 64, record, 172800.0)) == "1.19700103000000.aaaaaaaa", (
        "laptops have b: a is news to them"
    )


def test_a_damaged_record_is_refused(tmp_path: Path) -> None:
    record = tmp_path / "versions.json"
    record.write_text("{")
    with pytest.raises(DeployError, match=r"versions\.json cannot be read.*Restore it, or remove it"):
        version_of(dated("a" * 64, record, 86400.0))


def test_packages_and_index_are_made_for_readers_of_2008() -> None:
    built = rpmbuild_argv(Path("/area"), Path("/area/x.spec"))
    assert {"_binary_payload w9.gzdio", "_binary_filedigest_algorithm 1"} <= set(built)
    indexed = createrepo_argv(Path("/tree"), 7)
    assert {"--checksum=sha", "--repomd-checksum=sha", "--general-compress-type=gz", "--no-database"} <= set(indexed)
