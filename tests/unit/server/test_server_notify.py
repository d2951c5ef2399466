"""What the services tell systemd, heard by a socket in its place."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from sugar_server.notify import notify


def test_it_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        notify("READY=1")
        manager.settimeout(5)
        assert manager.recv(100) == b"READY=1"


@pytest.mark.parametrize("left", ["nothing", "a socket that nobody reads", "a name that is too long"])
def test_a_service_outlives_what_it_tells(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, left: str
) -> None:
    address = tmp_path / ("notify" if left != "a name that is too long" else "n" * 200)
    if left == "a socket that nobody reads":
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(address))
    monkeypatch.setenv("NOTIFY_SOCKET", str(address))
    notify("WATCHDOG=1")
    assert f"cannot be told WATCHDOG=1 at {address}" in caplog.text
