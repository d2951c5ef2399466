"""Wanted files against the disk: what differs, what is shown, what is ours to remove."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils.files import (
    ConfigError,
    Wanted,
    read_state,
    restore,
    with_purged,
)


def parameters(**given):
    return dict({"content": None, "mode": "0644", "owner": "root", "group": "root", "state": "present",
                 "secret": False}, **given)  # fmt: skip


def test_a_missing_last_newline_is_added():
    assert Wanted.from_parameters(parameters(path="/a", content="x")).content == b"x\n"
    assert Wanted.from_parameters(parameters(path="/a", content="x\n")).content == b"x\n"
    assert Wanted.from_parameters(parameters(path="/a", content="")).content == b""


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (parameters(path="a", content=""), "not a plain absolute path"),
        (parameters(path="/etc/../a", content=""), "not a plain absolute path"),
        (parameters(path="/a"), "has no content"),
        (parameters(path="/a", content="", mode="rw"), "not octal"),
    ],
)
def test_wrong_parameters_are_named(given, complaint):
    with pytest.raises(ConfigError, match=complaint):
        Wanted.from_parameters(given)


def test_content_mode_and_kind_all_count(wanted, tmp_path):
    path = tmp_path / "a"
    path.write_text("x")
    path.chmod(0o640)
    assert wanted(path, "x", 0o640).is_met_by(read_state(str(path)))
    assert not wanted(path, "y", 0o640).is_met_by(read_state(str(path)))
    assert not wanted(path, "x", 0o600).is_met_by(read_state(str(path)))
    link = tmp_path / "link"
    link.symlink_to(path)
    assert not wanted(link, "x", 0o640).is_met_by(read_state(str(link)))


def test_the_diff_shows_content_and_modes_but_no_secret(wanted, tmp_path):
    path = tmp_path / "a"
    path.write_text("x")
    path.chmod(0o644)
    state = read_state(str(path))
    shown = wanted(path, "y").diff_from(state)
    assert (shown["before"], shown["after"]) == ("x", "y")
    shown = wanted(path, "x", 0o600).diff_from(state)
    assert shown["before"].startswith("mode 0644")
    assert shown["after"].startswith("mode 0600")
    assert "y" not in wanted(path, "yyy", secret=True).diff_from(state)["after"].replace("(changed secret)", "")


def test_a_link_is_replaced_and_can_come_back(wanted, tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("elsewhere")
    link.symlink_to(target)
    before = read_state(str(link))
    wanted(link, "here\n").write()
    assert (link.is_symlink(), link.read_text(), target.read_text()) == (False, "here\n", "elsewhere")
    restore(str(link), before)
    assert link.readlink() == target


def test_a_folder_in_the_way_is_an_error(tmp_path):
    with pytest.raises(ConfigError, match="neither a file nor a symbolic link"):
        read_state(str(tmp_path))


def test_an_unknown_owner_is_an_error_when_written_and_a_difference_before(tmp_path):
    file = Wanted(str(tmp_path / "a"), b"x", 0o644, "no-such-user-here", "root")
    assert not file.is_met_by(read_state(file.path))
    with pytest.raises(ConfigError, match="no user no-such-user-here"):
        file.write()
    assert not (tmp_path / "a").exists()


def test_only_ours_that_is_no_longer_wanted_is_purged(wanted, tmp_path):
    for name in ("sugar-override-a.conf", "sugar-override-b.conf", "theirs.conf"):
        (tmp_path / name).write_text("x")
    (tmp_path / "sugar-override-folder.conf").mkdir()
    files = with_purged([wanted(tmp_path / "sugar-override-a.conf", "x")], [f"{tmp_path}/sugar-override-*.conf"])
    assert [(Path(file.path).name, file.content is None) for file in files] == [
        ("sugar-override-a.conf", False),
        ("sugar-override-b.conf", True),
    ]
