"""The deployment's own authority for its servers: by it they know each other, and a laptop may know its school's.

Its key is a secret of the deployment; its certificate is public, authority.crt of the deployment's folder. `apply`
signs by it what each server has made for itself (collections' filter `certified`), so that no server's key travels.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sugar_deploy.errors import DeployError
from sugar_deploy.files import write_atomically
from sugar_deploy.folder import Folder
from sugar_deploy.keys.secrets import Secrets

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate

DAYS, RENEWED_BEFORE_DAYS = 20 * 365, 5 * 365
"""A server's certificate lasts five years, and never longer than the authority's own."""
SLOW_CLOCK_DAYS = 30
"""A server without the Internet may be so far behind."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority of a deployment; NOW is the time to sign at."""

    folder: Folder
    secrets: Secrets
    deployment: str
    now: datetime

    def make(self) -> bool:
        """Have one whose certificate is good for long, of the same key as ever; returns whether it was made now.

        Raises DeployError where the key is lost.
        """
        from cryptography.hazmat.primitives.serialization import Encoding

        path, pem = self.folder.authority, self.secrets.authority_key()
        if pem is None and path.exists():
            raise DeployError(
                f"the key of {path} is not in {self.folder.secrets}",
                f"Restore it from a copy of secrets/; or remove {path}: all servers get new certificates then",
            )
        key = _new_key() if pem is None else _private(pem)
        if path.exists() and self._is_good(path, key):
            return False
        if pem is None:
            self.secrets.set_authority_key(_pem(key))
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, self._signed(key).public_bytes(Encoding.PEM), 0o644)
        return True

    def ends(self) -> datetime:
        """Until when its certificate is valid."""
        return _read(self.folder.authority).not_valid_after_utc

    def _is_good(self, path: Path, key: EllipticCurvePrivateKey) -> bool:
        known = _read(path)
        lasts = known.not_valid_after_utc - self.now > timedelta(days=RENEWED_BEFORE_DAYS)
        return known.public_key() == key.public_key() and lasts

    def _signed(self, key: EllipticCurvePrivateKey) -> Certificate:
        from cryptography import x509
        from cryptography.hazmat.primitives.hashes import SHA256

        # No common name: it may have 64 characters only, and nobody reads it.
        text = f"{self.deployment}: its servers"[:64]
        name = x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, text)])
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        return (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - timedelta(days=SLOW_CLOCK_DAYS))
            .not_valid_after(self.now + timedelta(days=DAYS))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, SHA256())
        )


def _read(path: Path) -> Certificate:
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        raise DeployError(f"{path} is no certificate", "Remove it, then: sugar-deploy keys authority") from None


def _new_key() -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    return generate_private_key(SECP256R1())


def _pem(key: EllipticCurvePrivateKey) -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _private(pem: str) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, EllipticCurvePrivateKey):
        raise DeployError("the authority's key in secrets/hosts.yml is none", "Restore it from a copy of secrets/")
    return key


def utc_now() -> datetime:
    """Now, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
