"""The probe boots before it believes, and remembers."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from sugar_deploy.lab import probe
from sugar_deploy.lab.places import cache_root

pytestmark = pytest.mark.vm


@pytest.fixture
def own_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A memory of its own; the images stay shared."""
    (tmp_path / "sugar-deploy").mkdir()
    (tmp_path / "sugar-deploy" / "lab").mkdir()
    (cache_root() / "images").mkdir(parents=True, exist_ok=True)
    (tmp_path / "sugar-deploy" / "lab" / "images").symlink_to(cache_root() / "images")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "sugar-deploy" / "lab" / "backends.json"


def test_nspawn_is_tried_once(own_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = probe.probe_one("nspawn")
    assert (found.works, found.seen) == (True, "systemd says: running")
    monkeypatch.setattr(probe, "_try", lambda _name: pytest.fail("tried again"))
    assert probe.probe_one("nspawn") == found


def test_after_a_boot_it_is_tried_again(own_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []

    def attempt(name: str) -> probe.Found:
        tried.append(name)
        return probe.Found(name, True, "", "", 0.0)

    monkeypatch.setattr(probe, "_try", attempt)
    probe.probe_one("nspawn")
    content = json.loads(own_memory.read_text())
    own_memory.write_text(json.dumps({**content, "boot_id": "another"}))
    probe.probe_one("nspawn")
    assert tried == ["nspawn", "nspawn"]


def test_a_missing_program_is_named_and_not_remembered(own_memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("PATH", "/nowhere")
        found = probe.probe_one("nspawn")
    assert not found.works
    assert "sudo apt install systemd-container" in found.seen
    assert probe.probe_one("nspawn").works


def test_a_machine_that_hangs_is_given_up_in_time() -> None:
    started = time.monotonic()
    seen, _seconds = probe.watch(("sh", "-c", "echo Probing EDD; sleep 60"), "Run /init", 1.0)
    assert time.monotonic() - started < 5
    assert probe.last_line(seen) == "Probing EDD"


def test_what_was_tried_ends_with_the_trial() -> None:
    seen, _seconds = probe.watch(("sh", "-c", "sleep 60 & echo $!; echo mark; wait"), "mark", 10.0)
    child = Path("/proc") / seen.split()[0]
    until = time.monotonic() + 5
    while child.exists() and "Z" not in (child / "stat").read_text() and time.monotonic() < until:
        time.sleep(0.05)
    assert not child.exists() or ") Z" in (child / "stat").read_text()


def test_the_fastest_that_works_is_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    works: dict[str, bool] = {}
    monkeypatch.setattr(probe, "probe_one", lambda name, **_: probe.Found(name, works[name], "", "no", 0.0))
    for working, expected in (
        ({"qemu-kvm", "nspawn", "qemu-tcg"}, "qemu-kvm"),
        ({"nspawn", "qemu-tcg"}, "nspawn"),
        ({"qemu-tcg"}, "qemu-tcg"),
    ):
        works.update({name: name in working for name in ("qemu-kvm", "nspawn", "qemu-tcg")})
        assert probe.choose() == expected
    works["qemu-tcg"] = False
    with pytest.raises(probe.DeployError, match="No kind of machine works here"):
        probe.choose()
