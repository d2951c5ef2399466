"""Certificates by which the servers of a federation know each other, of the deployment's own authority.

The authority's key and the servers' are secrets of the deployment; each server gets its own and no other. The
certificates are public, federation/*.crt of the deployment's folder. They say what a server's XMPP domain is
(RFC 6120, section 13.7.1: a DNS name in subjectAltName) and serve for both ends of a connection.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from sugar_deploy.certificate import domain_of, read_certificate
from sugar_deploy.errors import DeployError
from sugar_deploy.files import write_atomically
from sugar_deploy.folder import Folder
from sugar_deploy.keys.secrets import Secrets

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.x509 import Certificate

AUTHORITY_KEY = "federation_authority_key"
AUTHORITY_DAYS, SERVER_DAYS, RENEWED_BEFORE_DAYS = 20 * 365, 5 * 365, 365
SLOW_CLOCK_DAYS = 30
"""A server without the Internet may be so far behind when it gets its certificate."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The deployment's authority for its servers; NOW is the time to issue at."""

    folder: Folder
    secrets: Secrets
    deployment: str
    now: datetime

    def issue(self, domains: Mapping[str, str]) -> list[str]:
        """Give each school the certificate for its server's domain; returns those that had none that is good."""
        from cryptography.hazmat.primitives.serialization import Encoding

        certificate, key = self._own()
        issued = []
        for school, domain in sorted(domains.items()):
            path = self.folder.federation_certificate(school)
            if self._is_good(path, self.secrets.federation_keys().get(school), certificate, domain):
                continue
            fresh = _new_key()
            made = self._signed(domain, fresh, certificate, key)
            self.secrets.set_federation_key(school, _pem(fresh))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, made.public_bytes(Encoding.PEM), 0o644)
            issued.append(school)
        return issued

    def _own(self) -> tuple[Certificate, EllipticCurvePrivateKey]:
        from cryptography.hazmat.primitives.serialization import Encoding

        path, pem = self.folder.federation_authority, self.secrets.find(AUTHORITY_KEY)
        if pem is None and path.exists():
            raise DeployError(
                f"the key of {path} is not in {self.folder.secrets}",
                f"Restore it from a copy of secrets/; or remove {path.parent}: all servers get new certificates then",
            )
        key = _new_key() if pem is None else _private(pem)
        known = read_certificate(path) if path.exists() else None
        if known and _is_of(known, key) and _lasts(known, self.now):
            return known, key
        if pem is None:
            self.secrets.set(AUTHORITY_KEY, _pem(key))
        made = self._self_signed(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, made.public_bytes(Encoding.PEM), 0o644)
        return made, key

    def _is_good(self, path: Path, pem: str | None, authority: Certificate, domain: str) -> bool:
        from cryptography.exceptions import InvalidSignature

        if pem is None or not path.exists():
            return False
        known = read_certificate(path)
        try:
            known.verify_directly_issued_by(authority)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return _is_of(known, _private(pem)) and _lasts(known, self.now) and domain_of(known) == domain

    def _self_signed(self, key: EllipticCurvePrivateKey) -> Certificate:
        from cryptography import x509
        from cryptography.hazmat.primitives.hashes import SHA256

        name = _name(f"{self.deployment}: servers of its federations")
        builder = self._dated(x509.CertificateBuilder(), AUTHORITY_DAYS).subject_name(name).issuer_name(name)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
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
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        builder = builder.add_extension(usage, critical=True).add_extension(identifier, critical=False)
        return builder.public_key(key.public_key()).sign(key, SHA256())

    def _signed(
        self,
        domain: str,
        key: EllipticCurvePrivateKey,
        authority: Certificate,
        authority_key: EllipticCurvePrivateKey,
    ) -> Certificate:
        from cryptography import x509
        from cryptography.hazmat.primitives.hashes import SHA256
        from cryptography.x509.oid import ExtendedKeyUsageOID

        names = [x509.DNSName(domain), x509.DNSName(f"conference.{domain}")]
        builder = self._dated(x509.CertificateBuilder(), SERVER_DAYS).subject_name(_name("Sugar school server"))
        builder = builder.issuer_name(authority.subject).public_key(key.public_key())
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(authority_key.public_key())
        ends = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        for extension, critical in (
            (x509.SubjectAlternativeName(names), False),
            (x509.BasicConstraints(ca=False, path_length=None), True),
            (x509.ExtendedKeyUsage(ends), False),
            (issuer, False),
        ):
            builder = builder.add_extension(extension, critical=critical)
        return builder.sign(authority_key, SHA256())

    def _dated(self, builder: x509.CertificateBuilder, days: int) -> x509.CertificateBuilder:
        from cryptography import x509

        return (
            builder.serial_number(x509.random_serial_number())
            .not_valid_before(self.now - timedelta(days=SLOW_CLOCK_DAYS))
            .not_valid_after(self.now + timedelta(days=days))
        )


def ends(certificate: Certificate) -> datetime:
    """Until when it is valid."""
    return certificate.not_valid_after_utc


def _lasts(certificate: Certificate, now: datetime) -> bool:
    return ends(certificate) - now > timedelta(days=RENEWED_BEFORE_DAYS)


def _is_of(certificate: Certificate, key: EllipticCurvePrivateKey) -> bool:
    return certificate.public_key() == key.public_key()


def _name(text: str) -> x509.Name:
    from cryptography import x509

    # No common name: it may have 64 characters only, and nobody reads it.
    return x509.Name([x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, text[:64])])


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
        raise DeployError("a key of the federation in secrets/ is none", "Restore it from a copy of secrets/")
    return key


def utc_now() -> datetime:
    """Now, to the second."""
    return datetime.now(UTC).replace(microsecond=0)
