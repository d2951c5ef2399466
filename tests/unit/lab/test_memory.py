"""Holding a container to its memory, on hosts with the one kind of control groups and with the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.lab import cgroups, memory


@pytest.fixture
def unified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A host whose unified hierarchy has the memory controller; its files are plain ones."""
    root = tmp_path / "cgroup"
    root.mkdir()
    for name in ("cgroup.procs", "cgroup.subtree_control"):
        (root / name).touch()
    (root / "cgroup.controllers").write_text("cpu memory pids\n")
    monkeypatch.setattr(cgroups, "ROOT", root)
    monkeypatch.setattr(memory, "OLDER", tmp_path / "absent")
    monkeypatch.setattr(memory, "_MOUNTED", tmp_path / "absent")
    return root


def test_the_unified_hierarchy_is_told_from_above(unified: Path) -> None:
    memory.mount_private()  # nothing is to be mounted: it would need root
    group = memory.hold("lab-1", "lima", 256)
    assert group == unified / "sugar-deploy-lab-lab-1" / "lima"
    assert (group / "memory.max").read_text() == "268435456"
    for above in (unified, group.parent):
        assert (above / "cgroup.subtree_control").read_text() == "+memory"
    assert not (group / "memory.swap.max").exists()
    (group / "memory.swap.max").write_text("max")
    memory.hold("lab-1", "lima", 256)
    assert (group / "memory.swap.max").read_text() == "0"


def test_what_is_taken_is_read_from_the_unified_hierarchy(unified: Path) -> None:
    group = memory.hold("lab-1", "lima", 512)
    (group / "memory.stat").write_text("anon 104857600\nfile 52428800\n")
    (group / "memory.events").write_text("low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\n")
    assert memory.taken("lab-1", "lima") == memory.Taken(512, 100, 1)


def test_and_from_the_older_one(unified: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "OLDER", tmp_path / "memory")
    group = tmp_path / "memory" / "sugar-deploy-lab-lab-1" / "lima"
    group.mkdir(parents=True)
    (group / "memory.limit_in_bytes").write_text("268435456\n")
    (group / "memory.stat").write_text("cache 1\nrss 1048576\ntotal_cache 2\ntotal_rss 2097152\n")
    (group / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    assert memory.taken("lab-1", "lima") == memory.Taken(256, 2, 3)


def test_a_machine_that_has_all_there_is_says_so(unified: Path) -> None:
    with pytest.raises(DeployError, match="lima is not held to any memory"):
        memory.taken("lab-1", "lima")
