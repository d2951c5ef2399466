"""The vectors, by what they are."""

from __future__ import annotations

from pathlib import Path

from olpc_security.keys import PrivateKey, PublicKey
from olpc_security.laptop import Laptop
from olpc_security.trust import TrustedKeys

FOLDER = Path(__file__).parent / "vectors"
LAPTOP = Laptop("SHC12345678", "0AB12C3D-1234-5678-9ABC-DEF012345678")
OTHER = Laptop("SHC00000002", "11111111-2222-3333-4444-555555555555")
JUNE_2025 = 1748736000  # date -u -d 2025-06-01 +%s
NAMES = ("developer", "fs", "fw", "lease", "os", "server")


def vector(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


def private(name: str) -> PrivateKey:
    return PrivateKey.from_der(vector(f"keys/{name}.private"))


def public(name: str) -> PublicKey:
    return PublicKey(vector(f"keys/{name}.public"))


def trusting(*names: str) -> TrustedKeys:
    return TrustedKeys(tuple(public(name) for name in names))
