"""The key that signs packages for laptops on OLPC OS.

It is another one than the repository's, because the rpm of those days knows no Ed25519. What it does know was
found out the hard way by those who signed for it: an RSA key that only signs, with no subkeys; signatures of
version 3 (rpm 4.4 calls those of version 4 bad), with SHA-256 as in Fedora's own packages since release 12.

It never expires: rpm did not look at that then, and there is no way to bring another key to all those laptops. For
the same reason it is not replaced with the repository's: rpm keeps a key that it once imported until somebody erases
it on that laptop, and our packages run no program there, so that a replaced key would be trusted as before.
And it bears an early date, so that no laptop whose clock has fallen back takes it for one from the future.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sugar_deploy.errors import DeployError
from sugar_deploy.files import write_atomically
from sugar_deploy.keys import openpgp
from sugar_deploy.keys.secrets import Secrets

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

BITS = 4096
CREATED_AT = 1199145600
"""1 January 2008, when there was no laptop yet whose clock could have been right before it."""
PRIVATE_KEY = "rpm_private_key"


@dataclass(frozen=True, slots=True, repr=False)
class RpmKey:
    """The key, ready to sign; times are in seconds since the epoch."""

    deployment: str
    pem: str

    @property
    def fingerprint(self) -> str:
        """40 hex digits."""
        return openpgp.fingerprint(self._private, CREATED_AT)

    @property
    def public(self) -> str:
        """The public key, ASCII armoured."""
        owner = f"{self.deployment} packages for OLPC OS"
        return openpgp.armour("PUBLIC KEY BLOCK", openpgp.certificate(self._private, CREATED_AT, owner))

    def sign_file(self, file: Path, signature: Path, signed_at: int) -> None:
        """Write an armoured signature beside a file."""
        content = openpgp.detached(self._private, CREATED_AT, signed_at, file.read_bytes())
        write_atomically(signature, openpgp.armour("SIGNATURE", content), 0o644)

    def sign_for_rpm(self, data: bytes, signed_at: int) -> bytes:
        """The signature that goes into a package."""
        return openpgp.detached_version_3(self._private, CREATED_AT, signed_at, data)

    @contextlib.contextmanager
    def descriptor(self) -> Iterator[int]:
        """The private key in memory, for a child that inherits it; never on the disk."""
        held = os.memfd_create("rpm-key")
        try:
            os.write(held, self.pem.encode())
            yield held
        finally:
            os.close(held)

    @property
    def _private(self) -> RSAPrivateKey:
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(self.pem.encode(), None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, RSAPrivateKey):
            raise DeployError(f"the secret {PRIVATE_KEY} is no RSA key", "Restore it from a copy of secrets/")
        return key


def made_key(secrets: Secrets, deployment: str) -> RpmKey | None:
    """The deployment's key for RPM packages, if it has been made yet."""
    pem = secrets.find(PRIVATE_KEY)
    return None if pem is None else RpmKey(deployment, pem)


def rpm_key(secrets: Secrets, deployment: str) -> RpmKey:
    """The deployment's key for RPM packages, made at its first use and kept encrypted."""
    if found := made_key(secrets, deployment):
        return found
    pem = _made()
    secrets.set(PRIVATE_KEY, pem)
    return RpmKey(deployment, pem)


def _made() -> str:
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = generate_private_key(public_exponent=65537, key_size=BITS)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
