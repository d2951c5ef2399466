"""The deployer's own certificates, which every machine of the deployment trusts: certificates/*.crt."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from pathlib import Path

from sugar_deploy.errors import UsageError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*\.crt")


def read_certificates(folder: Path) -> Mapping[str, str]:
    """Each certificate's text by its file's name; raises UsageError for what no machine could trust."""
    if not folder.is_dir():
        return {}
    return {path.name: _read(path) for path in sorted(folder.glob("*.crt"))}


def _read(path: Path) -> str:
    if not _NAME.fullmatch(path.name):
        raise UsageError(f"{path} has a name that certificates cannot have", "Use letters, digits, '.', '-' and '_'")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "Make it readable, or remove it") from error
    if b"PRIVATE KEY" in content:
        raise UsageError(
            f"{path} holds a private key, which would be published to every machine",
            "Remove the key from that file; if it has ever been published, replace it",
        )
    try:
        text = content.decode("ascii")
        store = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        store.load_verify_locations(cadata=text)
    except (ValueError, ssl.SSLError):
        raise UsageError(
            f"{path} is no certificate in PEM form",
            f"If it is one in DER form: openssl x509 -inform der -in {path.name} -out NEW.crt",
        ) from None
    if (number := store.cert_store_stats()["x509"]) != 1:
        raise UsageError(f"{path} holds {number} certificates", "Give each of them a file of its own")
    return text if text.endswith("\n") else text + "\n"
