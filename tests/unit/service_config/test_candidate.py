"""The checker sees the whole candidate, and the disk stays as it is."""

from __future__ import annotations

import sys

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils.candidate import Candidate
from ansible_collections.sugar.deploy.plugins.module_utils.change import Failed
from ansible_collections.sugar.deploy.plugins.module_utils.files import ConfigError


@pytest.fixture
def tree(tmp_path):
    """The configuration of a service, partly not ours."""
    folder = tmp_path / "etc" / "bell"
    (folder / "conf.d").mkdir(parents=True)
    (folder / "main.conf").write_text("theirs\n")
    (folder / "conf.d" / "old.conf").write_text("old\n")
    return folder


def candidate(tmp_path, files, tree):
    return Candidate(files, [str(tree)], staging=str(tmp_path / "run"))


def test_the_root_holds_their_files_and_ours(tmp_path, tree, wanted):
    files = [wanted(tree / "conf.d" / "new.conf", "new\n", 0o600), wanted(tree / "conf.d" / "old.conf", None)]
    script = (
        f"cd {{root}}{tree} && find . -type f | sort && cat main.conf conf.d/new.conf && stat -c %a conf.d/new.conf"
    )
    seen = candidate(tmp_path, files, tree).check(["sh", "-c", script + "; false"])
    assert seen == "./conf.d/new.conf\n./main.conf\ntheirs\nnew\n600"
    assert (tree / "conf.d" / "old.conf").exists()
    assert not (tree / "conf.d" / "new.conf").exists()
    assert list((tmp_path / "run").iterdir()) == [], "the staged copy is removed"


def test_each_present_path_is_checked_until_one_is_refused(tmp_path, tree, wanted):
    files = [wanted(tree / "a", "good"), wanted(tree / "b", "bad"), wanted(tree / "conf.d" / "old.conf", None)]
    argv = ["sh", "-c", 'grep -q good "$1" || { echo "$1: not good"; exit 1; }', "sh", "{path}"]
    assert candidate(tmp_path, files, tree).check(argv) == f"{tree}/b: not good"
    assert candidate(tmp_path, files[:1], tree).check(argv) is None


def test_without_placeholders_the_candidate_stands_at_the_real_paths(tmp_path, tree, wanted):
    files = [wanted(tree / "main.conf", "candidate\n")]
    assert candidate(tmp_path, files, tree).check(["sh", "-c", f"cat {tree}/main.conf; false"]) == "candidate"
    assert (tree / "main.conf").read_text() == "theirs\n"


def test_a_checker_that_is_not_installed_is_named(tmp_path, tree, wanted):
    with pytest.raises(ConfigError, match="checker no-such-checker is not installed"):
        candidate(tmp_path, [wanted(tree / "a", "x")], tree).check(["no-such-checker", "{root}"])


def test_a_silent_refusal_is_still_a_refusal(tmp_path, tree, wanted):
    files = [wanted(tree / "a", "x")]
    assert candidate(tmp_path, files, tree).check([sys.executable, "-c", "exit(3)", "{root}"]) == (
        "the checker ended with status 3"
    )


def test_a_refused_candidate_changes_nothing(change, wanted, daemon, config):
    made = change(wanted(config, "new\n"))
    with pytest.raises(Failed, match="nothing was changed: line 1: nonsense") as failed:
        made.validate(["sh", "-c", "echo line 1: nonsense; exit 1", "{root}"], [])
    assert failed.value.facts == {"validated": False, "rolled_back": False}
    assert config.read_text() == "old\n"
    assert daemon.acts == []


def test_an_unchanged_service_is_not_checked(change, wanted, config):
    assert change(wanted(config, "old\n")).validate(["false"], []) is False
