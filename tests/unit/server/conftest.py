"""The daemon's modules are importable, and keys are made by OpenSSH itself."""

from __future__ import annotations

import base64
import struct
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa

SOURCE = Path(__file__).resolve().parents[3] / "packages" / "sugar-server"
sys.path[:0] = [str(SOURCE), str(SOURCE.with_name("olpc-security"))]


@pytest.fixture(scope="session")
def public_keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """One line of authorized_keys, without comment, for each key type that laptops have."""
    folder = tmp_path_factory.mktemp("keys")
    lines = {}
    for kind, *options in (
        ("rsa", "-b", "2048"),
        ("ed25519",),
        ("ecdsa", "-b", "256"),
        ("ecdsa", "-b", "384"),
        ("ecdsa", "-b", "521"),
    ):
        path = folder / "-".join((kind, *options[1:]))
        subprocess.run(["ssh-keygen", "-q", "-t", kind, *options, "-N", "", "-C", "", "-f", path], check=True)
        line = path.with_name(path.name + ".pub").read_text().strip()
        lines[line.split()[0]] = line
    # OpenSSH 10 no longer makes the DSA keys that Sugar has always made.
    numbers = dsa.generate_private_key(1024).public_key().public_numbers()
    group = numbers.parameter_numbers
    fields = [b"ssh-dss", *map(_mpint, (group.p, group.q, group.g, numbers.y))]
    blob = b"".join(struct.pack(">I", len(field)) + field for field in fields)
    lines["ssh-dss"] = f"ssh-dss {base64.b64encode(blob).decode()}"
    return lines


def _mpint(number: int) -> bytes:
    return number.to_bytes(number.bit_length() // 8 + 1, "big")
