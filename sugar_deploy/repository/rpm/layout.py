"""Names in the published yum repository."""

from __future__ import annotations

PUBLISHED_UNDER = "yum"
"""The repository's folder in the published tree."""
SUMS = "SHA256SUMS"
"""Every file in it but these two, as sha256sum writes it."""
SUMS_SIGNATURE = "SHA256SUMS.asc"
"""By the repository's own keys."""


def key_name(name: str) -> str:
    """The file with the public key for packages, as Fedora calls its own."""
    return f"RPM-GPG-KEY-{name}"
