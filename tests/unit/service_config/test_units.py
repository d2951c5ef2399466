"""Several units in one step, each as it is when its turn comes."""

from __future__ import annotations

import json
from typing import ClassVar

import pytest
from ansible.module_utils.testing import patch_module_args
from ansible_collections.sugar.deploy.plugins.modules import units


class Unit:
    """A unit that lives in memory; the socket's end takes its service along."""

    # What all of them share, made anew by each test.
    RUNNING: ClassVar[dict[str, bool]] = {}
    ACTS: ClassVar[list[str]] = []

    def __init__(self, name):
        self.name = name

    def exists(self):
        return self.name in self.RUNNING

    def is_active(self):
        return self.RUNNING[self.name]

    is_enabled = is_active

    def enable(self, enabled):
        return 0, ""

    def act(self, action):
        self.ACTS.append(f"{action} {self.name}")
        self.RUNNING[self.name] = action != "stop"
        if action == "stop" and self.name == "bell.socket":
            self.RUNNING["bell.service"] = False
        return 0, ""

    def journal(self, since):
        return ""

    def show(self):
        active = self.RUNNING[self.name] and self.name != "broken.service"
        return {"ActiveState": "active" if active else "failed", "SubState": "-", "MainPID": "1", "NRestarts": "0"}


@pytest.fixture
def machine(monkeypatch, tmp_path, capsys):
    """What the module prints on a machine with these units, and what it did."""
    monkeypatch.setattr(units, "Unit", Unit)
    monkeypatch.setattr(Unit, "ACTS", [])

    def ask(running, **words):
        monkeypatch.setattr(Unit, "RUNNING", dict(running))
        with patch_module_args({**words, "previous": str(tmp_path)}), pytest.raises(SystemExit):
            units.main()
        return json.loads(capsys.readouterr().out)

    return ask


def test_what_runs_already_is_left_alone(machine):
    said = machine({"bell.socket": True, "bell.timer": False}, name=["bell.socket", "bell.timer"])
    assert (said["changed"], said["moved"], Unit.ACTS) == (True, ["bell.timer"], ["start bell.timer"])
    assert machine({"bell.timer": True}, name=["bell.timer"])["changed"] is False


def test_what_stopped_with_another_one_is_not_stopped_again(machine):
    said = machine({"bell.socket": True, "bell.service": True}, name=["bell.socket", "bell.service"], state="stopped")
    assert (said["moved"], Unit.ACTS) == (["bell.socket"], ["stop bell.socket"])
    assert machine({}, name=["bell.socket"], state="stopped")["changed"] is False


def test_a_pretence_foresees_and_moves_nothing(machine):
    said = machine({"bell.socket": False}, name=["bell.socket"], _ansible_check_mode=True)
    assert (said["moved"], Unit.ACTS) == (["bell.socket"], [])
    assert said["diff"][0]["before_header"] == "bell.socket"


def test_the_first_that_does_not_come_up_ends_it(machine):
    said = machine(dict.fromkeys(("bell.timer", "broken.service", "last.timer"), False),
                   name=["bell.timer", "broken.service", "last.timer"])  # fmt: skip
    assert said["failed"] is True
    assert "broken.service is failed" in said["msg"]
    assert (said["moved"], Unit.ACTS) == (["bell.timer"], ["start bell.timer", "start broken.service"])


def test_a_unit_that_is_missing_is_told(machine):
    assert "there is no unit bell.socket" in machine({}, name=["bell.socket"])["msg"]
