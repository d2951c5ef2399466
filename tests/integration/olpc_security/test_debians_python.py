"""The library on Debian's own Python and cryptography, as machines have it: it signs, verifies and tells."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
PACKAGE = ROOT / "packages" / "olpc-security"
VECTORS = ROOT / "tests" / "unit" / "olpc_security" / "vectors"
WORK = """
import sys
from pathlib import Path
import cryptography
from olpc_security import bundles, issue, mfgdata, oats, scan, sign
from olpc_security.batch import Wish, issue_leases
from olpc_security.keys import PrivateKey, PublicKey
from olpc_security.laptop import Laptop
from olpc_security.trust import TrustedKeys

def main():
    assert "/site-packages/" not in cryptography.__file__, cryptography.__file__
    vectors = Path(sys.argv[1])
    key = PrivateKey.from_der((vectors / "keys/lease.private").read_bytes())
    server = PrivateKey.generate()
    trusted = TrustedKeys((PublicKey((vectors / "keys/lease.public").read_bytes()),))
    laptop = Laptop.from_tags(mfgdata.read_tags((vectors / "derived/mfg-data-top2k.bin").read_bytes()))
    now = 1748736000
    for name in ("lease-v1.sig", "lease-delegated.sig"):
        assert scan.scan_leases((vectors / "lease" / name).read_bytes(), laptop, trusted, now).is_valid
    chain = sign.delegate(key, server.public, laptop.serial, "20300101T000000Z")
    (lease,) = issue_leases(server, [Wish(laptop, "20290101T000000Z", chain)], now, 2)
    assert scan.scan_leases(lease.line.encode(), laptop, trusted, now).is_valid
    data_sig = bundles.sign_firmware(b"rom", [key])
    bundles.require_firmware(b"rom", data_sig, trusted, now)
    body = oats.sign_response(key, {"nonce": "1", "time": "20250601T000000Z"})
    oats.read_response(body, "1", trusted, laptop.serial, now)
    print("done")

if __name__ == "__main__":
    main()
"""


def debian(*words: str | Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(PACKAGE), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(["/usr/bin/python3", *map(str, words)], env=environment, capture_output=True, text=True)


def test_everything_that_takes_cryptography(tmp_path: Path) -> None:
    program = tmp_path / "work.py"
    program.write_text(WORK)
    result = debian(program, VECTORS)
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr


def test_the_program() -> None:
    lease = VECTORS / "lease/lease-v1.sig"
    options = ["--mfg-data", VECTORS / "derived/mfg-data-top2k.bin", "--key", f"a={VECTORS}/keys/lease.public"]
    result = debian(PACKAGE / "bin/olpc-security", "verify", lease, *options, "--now", "20250601T000000Z")
    assert (result.returncode, result.stdout, result.stderr) == (0, f"{lease}: valid: line 1\n", "")
    result = debian(PACKAGE / "bin/olpc-security", "verify", lease, *options, "--now", "20360601T000000Z")
    assert result.returncode == 1
    assert "[expired: the time of expiry has not passed]" in result.stdout
