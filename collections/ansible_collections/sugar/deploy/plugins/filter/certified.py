# SPDX-License-Identifier: GPL-3.0-or-later
"""A server's certificate of the deployment's own authority, for the key that the server has made for itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ansible.errors import AnsibleFilterError
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DOCUMENTATION = r"""
---
name: certified
short_description: A server's certificate of the deployment's own authority
description:
  - Takes the certificate that a server has, self-signed at first, and gives the authority's for the same public key.
    So no private key ever leaves the server.
  - One that is the authority's, for this domain and its rooms, and lasts another year, is given back as it is.
  - It serves for both ends of a connection (RFC 6120, section 13.7.1).
options:
  _input:
    description: The server's present certificate, PEM.
    type: str
    required: true
  authority:
    description: The authority's certificate, PEM.
    type: str
    required: true
  key:
    description: The authority's private key, PEM.
    type: str
    required: true
  domain:
    description: The server's XMPP domain.
    type: str
    required: true
author:
  - sugar-deploy
"""

EXAMPLES = r"""
content: "{{ present | sugar.deploy.certified(authority, vault_authority_key, 'schoolserver.example.org') }}"
"""

RETURN = r"""
_value:
  description: The certificate, PEM.
  type: str
"""

DAYS, RENEWED_BEFORE_DAYS = 5 * 365, 365
SLOW_CLOCK_DAYS = 30
"""A server without the Internet may be so far behind when it gets its certificate."""


def certified(text, authority, key, domain, now=None):
    """The authority's certificate for the key of TEXT, which is that already if it is good at the time NOW."""
    now = now or datetime.now(UTC).replace(microsecond=0)
    try:
        known, issuer = (x509.load_pem_x509_certificate(str(pem).encode()) for pem in (text, authority))
        private = load_pem_private_key(str(key).encode(), None)
    except (ValueError, TypeError) as error:
        raise AnsibleFilterError(f"no certificate can be made for {domain}: {error}") from None
    if private.public_key() != issuer.public_key():
        raise AnsibleFilterError("the key of the authority in secrets/hosts.yml is not that of authority.crt")
    names = [domain, f"conference.{domain}"]
    if _is_of(known, issuer) and _names(known) == names and _lasts(known, now):
        return text
    return _issued(known.public_key(), names, issuer, private, now).public_bytes(Encoding.PEM).decode()


def _is_of(certificate, issuer):
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def _names(certificate):
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return names.get_values_for_type(x509.DNSName)


def _lasts(certificate, now):
    return certificate.not_valid_after_utc - now > timedelta(days=RENEWED_BEFORE_DAYS)


def _issued(public_key, names, issuer, key, now):
    # No common name: it may have 64 characters only, and nobody reads it.
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Sugar school server")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=SLOW_CLOCK_DAYS))
        .not_valid_after(now + timedelta(days=DAYS))
    )
    for extension, critical in (
        (x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), False),
        (x509.BasicConstraints(ca=False, path_length=None), True),
        (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]), False),
        (x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer.public_key()), False),
    ):
        builder = builder.add_extension(extension, critical=critical)
    return builder.sign(key, SHA256())


class FilterModule:
    """The filters of this file."""

    def filters(self):
        """By name."""
        return {"certified": certified}
