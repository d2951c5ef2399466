"""States of the carried repository: complete or not there at all, and sharing what is the same."""

from __future__ import annotations

import errno
import shutil
import tarfile
from pathlib import Path

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils import carried
from ansible_collections.sugar.deploy.plugins.module_utils.carried import (
    CarryError,
    States,
    from_archive,
    from_tree,
    packed,
    unpacked,
)

OLD, NEW = "0" * 64, "1" * 64


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def make(states, state, tree, listing):
    states.make(state, listing, lambda _folder: from_tree(tree, listing))


def test_a_new_state_shares_what_the_former_has_and_leaves_it_as_it_was(tmp_path, repository):
    states = States(str(tmp_path / "server"))
    make(states, OLD, *repository.holds(bell="ding", book="once"))
    tree, listing = repository.holds(bell="ding", book="twice")
    have = states.have(listing)
    assert [path for path, _size, digest in listing if digest not in have] == ["pool/book"]
    make(states, NEW, tree, listing)
    old, new = tmp_path / "server" / f"repository-{OLD[:16]}", tmp_path / "server" / f"repository-{NEW[:16]}"
    assert (new / "pool" / "bell").samefile(old / "pool" / "bell")
    assert (new / "pool" / "book").read_text() == "twice"
    assert (old / "pool" / "book").read_text() == "once"
    assert sorted(path.name for path in (tmp_path / "server").iterdir()) == sorted([old.name, new.name])


def test_one_content_under_two_names_is_carried_once(tmp_path, repository):
    states = States(str(tmp_path / "server"))
    tree, listing = repository.holds(packages="index", by_hash="index")
    make(states, NEW, tree, listing)
    pool = Path(states.path(NEW)) / "pool"
    assert (pool / "packages").samefile(pool / "by_hash")


def test_what_the_former_state_has_damaged_is_carried_again(tmp_path, repository):
    states = States(str(tmp_path / "server"))
    tree, listing = repository.holds(bell="ding")
    make(states, OLD, tree, listing)
    (Path(states.path(OLD)) / "pool" / "bell").write_text("dang")
    assert states.have(listing).keys() == {carried.sha256(f"{states.path(OLD)}/pool/bell")}
    make(states, NEW, tree, listing)
    assert (Path(states.path(NEW)) / "pool" / "bell").read_text() == "ding"


def test_a_file_that_is_not_what_it_should_be_makes_no_state(tmp_path, repository):
    states = States(str(tmp_path / "server"))
    tree, listing = repository.holds(bell="ding")
    (tree / "pool" / "bell").write_text("dang")
    with pytest.raises(CarryError, match="pool/bell has arrived damaged"):
        make(states, NEW, tree, listing)
    assert states.all() == []


def test_a_stick_without_a_file_is_named(tmp_path, repository):
    states = States(str(tmp_path / "server"))
    tree, listing = repository.holds(bell="ding")
    (tree / "pool" / "bell").unlink()
    with pytest.raises(CarryError, match="copy the bundle again"):
        make(states, NEW, tree, listing)


def test_what_a_bundle_leaves_out_has_to_be_there(tmp_path, repository):
    states = States(str(tmp_path / "server"))
    tree, listing = repository.holds(bell="ding")
    held = [["pool/book", 4, "b" * 64]]
    with pytest.raises(CarryError, match="use a complete bundle"):
        states.make(NEW, listing + held, lambda _folder: from_tree(tree, listing))
    assert states.all() == []


def test_an_archive_is_read_once_and_named_where_it_is_cut_off(tmp_path, repository):
    states = States(str(tmp_path / "server"))
    tree, listing = repository.holds(bell="ding" * 9000, book="once")
    archive = tmp_path / "sent.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        for path, _size, digest in reversed(listing):
            tar.add(tree / path, arcname=digest)
    states.make(OLD, listing, lambda folder: from_archive(str(archive), folder))
    assert names(f"{states.path(OLD)}/pool") == ["bell", "book"]
    shutil.rmtree(states.path(OLD))
    archive.write_bytes(archive.read_bytes()[:-40])
    with pytest.raises(CarryError, match="apply again"):
        states.make(NEW, listing, lambda folder: from_archive(str(archive), folder))
    assert states.all() == []


def test_a_full_disk_leaves_the_former_state_and_no_half_of_the_new_one(tmp_path, repository):
    states = States(str(tmp_path / "server"))
    make(states, OLD, *repository.holds(bell="ding"))
    _tree, listing = repository.holds(bell="ding", book="twice")

    def full(_digest, path):
        raise OSError(errno.ENOSPC, "No space left on device", path)

    with pytest.raises(CarryError, match=r"there is not enough free space in .*: the repository needs 1 MB"):
        states.make(NEW, listing, lambda _folder: full)
    assert states.all() == [states.path(OLD)]
    assert names(states.folder) == [f"repository-{OLD[:16]}"]


def test_room_is_asked_for_before_anything_is_sent(tmp_path, monkeypatch):
    states = States(str(tmp_path / "not" / "there" / "yet"))
    monkeypatch.setattr(states, "free_bytes", lambda: 100 << 20)
    states.require_space(60 << 20)
    with pytest.raises(CarryError, match="needs 80 MB and 105 MB are free"):
        states.require_space(80_000_000)


def test_what_a_cut_off_copy_has_brought_is_not_brought_again(tmp_path, repository):
    states = States(str(tmp_path / "server"))
    tree, listing = repository.holds(bell="ding", book="once")

    def stalls(digest, path):
        if path.endswith("book"):
            raise KeyboardInterrupt
        return from_tree(tree, listing)(digest, path)

    with pytest.raises(KeyboardInterrupt):
        states.make(NEW, listing, lambda _folder: stalls)
    (tree / "pool" / "bell").unlink()
    make(states, NEW, tree, listing)
    assert names(f"{states.path(NEW)}/pool") == ["bell", "book"]
    assert names(states.folder) == [f"repository-{NEW[:16]}"]


def test_only_the_named_states_stay(tmp_path, repository):
    states = States(str(tmp_path / "server"))
    for state in (OLD, NEW):
        make(states, state, *repository.holds(bell=state))
    Path(states.link).symlink_to(states.path(NEW))
    assert states.in_use() == states.path(NEW)
    assert states.remove_others({states.in_use()}, dry=True) == [states.path(OLD)]
    assert len(states.all()) == 2
    states.remove_others({states.in_use()})
    assert names(states.folder) == ["repository", f"repository-{NEW[:16]}"]


@pytest.mark.parametrize("path", ["../etc/passwd", "/etc/passwd", "pool/../../x", ""])
def test_no_path_leaves_the_state_s_folder(path):
    assert unpacked(packed([["pool/a", 1, "a"]])) == [["pool/a", 1, "a"]]
    with pytest.raises(CarryError, match="no path of a repository's file"):
        unpacked(packed([[path, 1, "a"]]))
