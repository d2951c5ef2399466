"""How many leases a second are issued, against the rate of RSA-2048 signatures of `openssl speed` on the same cores.

Prints a table; asserts nothing. OpenSSL runs before and after each measure, because a machine's load changes. The
last row is what `sugar-deploy lease issue` does, with its draft on disk, and what memory the process takes meanwhile.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "packages" / "olpc-security"))

from olpc_security.batch import Wish, issue_leases
from olpc_security.keys import PrivateKey
from olpc_security.laptop import Laptop
from olpc_security.sign import delegate

from sugar_deploy.keys.lease.issue import Order, issue

NOW, EXPIRES = 1748736000, "20260101T000000Z"
UUID = "0AB12C3D-1234-5678-9ABC-DEF012345678"
SECONDS = 5


def openssl_rate(cores: int) -> float:
    """Signatures a second of all cores together, by the clock."""
    argv = ["openssl", "speed", "-elapsed", "-seconds", str(SECONDS), "-multi", str(cores), "rsa2048"]
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    found = re.search(r"^rsa +2048 bits +\S+ +\S+ +([0-9.]+)", said, re.MULTILINE)
    assert found, said
    return float(found.group(1))


def issued_rate(key: PrivateKey, wishes: list[Wish], cores: int) -> float:
    """Leases a second, from the first wish to the last lease in the file."""
    with tempfile.TemporaryFile("w") as file:
        start = time.monotonic()
        for lease in issue_leases(key, wishes, NOW, cores):
            file.write(lease.line)
        return len(wishes) / (time.monotonic() - start)


def resident_mib() -> float:
    """What this process holds in memory now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / 2**20


def whole_rate(key: PrivateKey, laptops: list[Laptop], held: dict[int, float]) -> float:
    """Leases a second of a whole run into a file; HELD gets the memory by how many are ready."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.monotonic()
        issue(
            key,
            Order(laptops, EXPIRES, "bench", NOW),
            Path(folder, "leases.sig"),
            lambda count: held.update({count: resident_mib()}),
        )
        return len(laptops) / (time.monotonic() - start)


def measure(name: str, run: Callable[[], float], cores: int) -> None:
    before = openssl_rate(cores)
    rate = run()
    floor = (before + openssl_rate(cores)) / 2
    print(f"{name:<24}{cores:>6}{rate:>12.0f}{floor:>12.0f}{rate / floor:>8.2f}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leases", type=int, default=20000)
    count = parser.parse_args().leases
    laptops = [Laptop(f"SHC{number:08d}", UUID) for number in range(count)]
    root, server = PrivateKey.generate(), PrivateKey.generate()
    chain = delegate(root, server.public, laptops[0].serial, "20270101T000000Z")
    plain = [Wish(laptop, EXPIRES) for laptop in laptops]
    chained = [Wish(laptops[0], EXPIRES, chain)] * count
    print(f"{'leases':<24}{'cores':>6}{'a second':>12}{'openssl':>12}{'ratio':>8}")
    for cores in sorted({1, len(os.sched_getaffinity(0))}):
        part = plain[: count * cores // len(os.sched_getaffinity(0))]
        measure("plain", lambda part=part, cores=cores: issued_rate(root, part, cores), cores)
    measure("by a delegation", lambda: issued_rate(server, chained, cores), cores)
    held: dict[int, float] = {}
    measure("a whole run", lambda: whole_rate(root, laptops, held), cores)
    told = [(ready, mib) for ready, mib in held.items() if ready in {max(held) // 10, max(held) // 2, max(held)}]
    print("memory: " + ", ".join(f"{mib:.0f} MiB at {ready}" for ready, mib in told))


if __name__ == "__main__":
    main()
