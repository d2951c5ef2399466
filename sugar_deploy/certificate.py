"""Certificates of servers (RFC 5280), as far as both the keys and the rendering look into them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sugar_deploy.errors import DeployError

if TYPE_CHECKING:
    from cryptography.x509 import Certificate


def read_certificate(path: Path) -> Certificate:
    """A certificate in PEM form; raises DeployError for anything else."""
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        raise DeployError(f"{path} is no certificate", "Remove it, then: sugar-deploy keys federation") from None


def domain_of(certificate: Certificate) -> str:
    """The XMPP domain that it is for; empty if it is for none."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    return next(iter(names.get_values_for_type(x509.DNSName)), "")
