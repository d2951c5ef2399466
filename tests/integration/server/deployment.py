"""A deployment that locks its laptops: it signs with the key of OLPC's vectors, and writes what `sugar-deploy lease`
writes. The laptop is the firmware's model of the unit tests, which shares nothing with the library."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from olpc_security import issue
from olpc_security.delegations import write_delegations
from olpc_security.keys import PrivateKey, PublicKey
from olpc_security.laptop import Laptop
from olpc_security.times import written

from tests.unit.olpc_security import model

from .conftest import Server

VECTORS = Path(model.__file__).parent / "vectors" / "keys"
LEASE_KEY = PrivateKey.from_der((VECTORS / "lease.private").read_bytes())
LAPTOP = Laptop("SHC12345678", "0AB12C3D-1234-5678-9ABC-DEF012345678")
OTHER = Laptop("SHC00000002", "11111111-2222-3333-4444-555555555555")
STRANGER = Laptop("SHC00000003", "22222222-2222-3333-4444-555555555555")
DAY = 86400
ON = "[antitheft]\nenabled = yes\n"


class Deployment:
    """What one school server is brought."""

    def __init__(self, server: Server, settings: str = "") -> None:
        self.server = server
        self.now = int(time.time())
        server.configure(ON + settings, "conf.d/antitheft.conf")
        server.configure(LEASE_KEY.public.key01, "lease-keys")

    def place_key(self, key: PrivateKey) -> None:
        """As it is restored from a backup."""
        path = self.server.state / "antitheft.private"
        path.touch(0o600)
        path.write_bytes(key.der)

    def delegations(self, to: PublicKey, *laptops: Laptop, days: float = 400, by: PrivateKey = LEASE_KEY) -> Path:
        until = written(self.now + int(days * DAY))
        made = [
            issue.delegation(by, to, laptop, until, min(self.now, self.now + int(days * DAY))) for laptop in laptops
        ]
        return self._file("d-lease.sig", write_delegations(made))

    def leases(self, *laptops: Laptop, days: float = 365, by: PrivateKey = LEASE_KEY) -> Path:
        until = written(self.now + int(days * DAY))
        made = [issue.lease(by, laptop, until, min(self.now, self.now + int(days * DAY))) for laptop in laptops]
        return self._file("leases.sig", "".join(lease.line for lease in made).encode())

    def stolen(self, *laptops: Laptop) -> Path:
        return self._file("stolen.list", "".join(f"{laptop.serial}\n" for laptop in laptops).encode())

    def bring(self, kind: str, file: Path) -> str:
        done = self.server.command(f"import-{kind}", str(file))
        assert done.returncode == 0, done.stderr
        return done.stdout

    def refused(self, kind: str, file: Path, status: int = 1) -> str:
        done = self.server.command(f"import-{kind}", str(file))
        assert (done.returncode, done.stdout, "Traceback" in done.stderr) == (status, "", False)
        return done.stderr

    def _file(self, name: str, content: bytes) -> Path:
        path = self.server.root.parent / name
        path.write_bytes(content)
        return path


def starts(lease: bytes, laptop: Laptop, now: float) -> bool:
    """Whether the laptop starts with this as its lease.sig, at this time."""
    keys = [LEASE_KEY.public.der]
    return model.scan(lease, b"act01:", laptop.serial.encode(), laptop.uuid.encode(), keys, int(now)) == model.VALID


def end_of(lease: bytes) -> int:
    """Until when a lease is, in Unix seconds."""
    import calendar

    return calendar.timegm(time.strptime(lease.split(b" ")[3].decode(), "%Y%m%dT%H%M%SZ"))


def received(connection: socket.socket) -> bytes:
    """All until the other side ends."""
    found = b""
    while piece := connection.recv(65536):
        found += piece
    return found
