"""What an upgrade is about: which installed packages go where."""

from __future__ import annotations

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils.apt import changes_in
from ansible_collections.sugar.deploy.plugins.module_utils.due import Due, highest
from ansible_collections.sugar.deploy.plugins.module_utils.offered import packages_in, packages_of_state

INDEX = """\
Package: sugar-server
Version: 0.1.1
Architecture: all
Depends: python3,
 sugar-server-base
Filename: pool/main/s/sugar-server_0.1.1_all.deb
SHA256: abc
Description: two
 lines
 Version: 9

Package: bell
Version: 1:2.0-1
Architecture: amd64
"""


def due(made, offered, brought=None):
    _host, apt = made
    return Due(apt, highest(offered, apt), apt.installed(), brought or {})


def test_an_index_is_read_without_its_continued_lines():
    first, second = packages_in(INDEX)
    assert (first["Package"], first["Version"], first["SHA256"]) == ("sugar-server", "0.1.1", "abc")
    assert (second["Package"], second["Version"]) == ("bell", "1:2.0-1")
    assert packages_in("") == packages_in("\n\n") == []


def test_a_state_s_packages_have_their_places(tmp_path):
    folder = tmp_path / "dists" / "trixie" / "main" / "binary-amd64"
    folder.mkdir(parents=True)
    (folder / "Packages").write_text(INDEX)
    paths = {each["Package"]: each["path"] for each in packages_of_state(str(tmp_path), "amd64")}
    assert paths["sugar-server"] == f"{tmp_path}/pool/main/s/sugar-server_0.1.1_all.deb"
    assert packages_of_state(str(tmp_path), "arm64") == []


def test_what_is_installed_comes_to_the_highest_version_offered(host):
    made = host(installed={"bell": "0.9", "book": "2"}, sources={"bell": ["0.9", "0.10"], "book": ["2"]})
    one = due(made, [("bell", "0.10"), ("bell", "0.9"), ("book", "2"), ("new", "1")])
    assert one.upgrades() == [("bell", "0.9", "0.10")]
    assert one.downgrades() == []


def test_a_higher_version_in_another_source_is_left_to_that(host):
    made = host(installed={"bell": "1"}, sources={"bell": ["2", "3"]})
    assert due(made, [("bell", "2")]).upgrades() == []


def test_lists_that_do_not_know_the_new_version_yet_hinder_nothing(host):
    made = host(installed={"bell": "1"}, sources={"bell": ["1"]})
    assert due(made, [("bell", "2")]).upgrades() == [("bell", "1", "2")]


def test_what_this_repository_has_brought_goes_back_with_it(host):
    made = host(installed={"bell": "2"}, sources={"bell": ["1"]})
    assert due(made, [("bell", "1")], {"bell": "2"}).downgrades() == [("bell", "2", "1")]


@pytest.mark.parametrize(
    ("brought", "sources"),
    [({}, {"bell": ["1"]}), ({"bell": "1"}, {"bell": ["1"]}), ({"bell": "2"}, {"bell": ["1", "2"]})],
    ids=["of unknown origin", "changed since by somebody", "offered by another source"],
)
def test_nothing_else_goes_to_a_lower_version(host, brought, sources):
    made = host(installed={"bell": "2"}, sources=sources)
    assert due(made, [("bell", "1")], brought).downgrades() == []


def test_a_package_on_hold_stays(host):
    made = host(installed={"bell": "1"}, sources={"bell": ["2"]}, held=["bell"])
    assert due(made, [("bell", "2")]).upgrades() == []


def test_a_simulation_is_read_as_apt_prints_it():
    text = (
        "NOTE: This is only a simulation!\n"
        "Remv old-one [1.0]\n"
        "Inst sugar-server [0.1.0] (0.1.1 lima:trixie [all])\n"
        "Inst libnew (2.0-1 Debian:12.1/stable [amd64]) []\n"
        "Conf sugar-server (0.1.1 lima:trixie [all])\n"
    )
    assert changes_in(text) == [
        ("old-one", "1.0", None),
        ("sugar-server", "0.1.0", "0.1.1"),
        ("libnew", None, "2.0-1"),
    ]


def test_what_dpkg_has_not_finished_is_finished(host):
    one, apt = host(installed={"bell": "1"}, unfinished=["bell", "book"])
    assert apt.interrupted()
    assert apt.finish() is None
    assert one.ran[-2][:2] == ["dpkg", "--configure"]
    assert not apt.interrupted()


def test_what_dpkg_cannot_finish_is_named(host):
    _host, apt = host(unfinished=["bell", "book", "cup", "dog"])
    assert "bell, book" in apt.finish()
