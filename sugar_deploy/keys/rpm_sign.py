"""`python -m sugar_deploy.keys.rpm_sign KEY TIME FILE SIGNATURE`: what rpmsign calls instead of GnuPG."""

from __future__ import annotations

import sys
from pathlib import Path

from sugar_deploy.keys.rpm_key import RpmKey


def main(key: str, signed_at: str, file: str, signature: str) -> None:
    """Sign FILE, a dash for the standard input, by the private key in KEY."""
    data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    signer = RpmKey("", Path(key).read_text())
    Path(signature).write_bytes(signer.sign_for_rpm(data, int(signed_at)))


if __name__ == "__main__":
    main(*sys.argv[1:])
