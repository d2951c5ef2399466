"""How a lab is asked to do something: one JSON line to its supervisor's socket, one JSON line back."""

from __future__ import annotations

import json
import socket
import struct
from pathlib import Path
from typing import Any

from sugar_deploy.errors import DeployError

_LONGEST_SECONDS = 300.0


def ask(control: Path, do: str, **details: str) -> dict[str, Any]:
    """Have the supervisor do it, and wait until it is done."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(_LONGEST_SECONDS)
        try:
            connection.connect(str(control))
            connection.sendall(json.dumps({"do": do, **details}).encode() + b"\n")
            line = read_line(connection)
        except OSError as error:
            raise DeployError(
                f"The lab does not answer: {error}", "See what is there: sugar-deploy lab list"
            ) from None
    if not line:
        raise DeployError("The lab ended before it answered", "See what is there: sugar-deploy lab list")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise DeployError(str(answer["error"]), str(answer.get("remedy", "")))
    return answer


def read_line(connection: socket.socket) -> bytes:
    """Up to the newline, or what came before the other side closed."""
    line = b""
    while not line.endswith(b"\n"):
        chunk = connection.recv(65536)
        if not chunk:
            break
        line += chunk
    return line


def peer(control: Path) -> int | None:
    """The process at the other end of the socket, as this PID namespace numbers it; None if nobody is there."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(control))
        except OSError:
            return None
        credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    process: int = struct.unpack("3i", credentials)[0]
    return process or None
