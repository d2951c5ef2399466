"""A service that lives in memory."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils.change import Change
from ansible_collections.sugar.deploy.plugins.module_utils.files import Wanted
from ansible_collections.sugar.deploy.plugins.module_utils.previous import Previous
from ansible_collections.sugar.deploy.plugins.module_utils.unit import Health


class Daemon:
    """Stands in for a systemd unit: a daemon that reads `config` when it starts and dies on the word `broken`."""

    name = "bell.service"

    def __init__(self, config: Path) -> None:
        self.config = config
        self.there = True
        self.active = True
        self.enabled = True
        self.pid = 100
        self.read = config.read_text() if config.exists() else ""
        self.acts: list[str] = []

    def exists(self) -> bool:
        return self.there

    def is_active(self) -> bool:
        return self.active

    def is_enabled(self) -> bool:
        return self.enabled

    def enable(self, enabled: bool) -> tuple[int, str]:
        self.enabled = enabled
        return 0, ""

    def act(self, action: str) -> tuple[int, str]:
        self.acts.append(action)
        self.read = self.config.read_text() if self.config.exists() else ""
        self.active = action != "stop" and "broken" not in self.read
        self.pid += 1
        return 0, ""

    def daemon_reload(self) -> None:
        self.acts.append("daemon-reload")

    def journal(self, since: float, lines: int = 20) -> str:
        return "bell: cannot ring" if "broken" in self.read else ""

    def show(self) -> dict[str, str]:
        state = "active" if self.active else "failed"
        return {"ActiveState": state, "SubState": "-", "MainPID": str(self.pid), "NRestarts": "0"}


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The service's file, which it has come up with."""
    path = tmp_path / "etc" / "bell.conf"
    path.parent.mkdir()
    path.write_text("old\n")
    path.chmod(0o644)
    return path


@pytest.fixture
def daemon(config: Path) -> Daemon:
    """The running service."""
    return Daemon(config)


@pytest.fixture
def wanted() -> Callable[..., Wanted]:
    """A wanted file of the user who runs the tests."""

    def make(path: Path, text: str | None, mode: int = 0o644, **more: Any) -> Wanted:
        data = None if text is None else text.encode()
        return Wanted(str(path), data, mode, str(os.getuid()), str(os.getgid()), **more)

    return make


@pytest.fixture
def change(daemon: Daemon, tmp_path: Path) -> Callable[..., Change]:
    """A change of the service's files; where it keeps the previous ones is `tmp_path/previous`."""

    def make(*files: Wanted, **more: Any) -> Change:
        previous = Previous("bell", str(tmp_path / "previous"))
        health = more.pop("health", Health(seconds=1, steady_seconds=0.01))
        return Change("bell", list(files), daemon, previous, health, **more)

    return make
