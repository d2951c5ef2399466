"""apt's own words, as it prints them, become an error that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from sugar_deploy.repository.derive.faults import Fault, Kind, explain, read_fault

# As apt 2.6 and 3.0 print them.
MESSAGES = {
    "E: Failed to fetch http://deb.debian.org/debian/dists/bookworm/InRelease  "
    "Temporary failure resolving 'deb.debian.org'": Kind.UNREACHABLE,
    "E: Failed to fetch http://192.0.2.1/debian/dists/bookworm/InRelease  "
    "Could not connect to 192.0.2.1:80 (192.0.2.1), connection timed out": Kind.UNREACHABLE,
    "E: Failed to fetch http://localhost:9/debian/dists/bookworm/InRelease  "
    "Unable to connect to localhost:9:": Kind.UNREACHABLE,
    "E: Failed to fetch http://deb.debian.org/debian/pool/main/b/bash/bash_5.deb  "
    "Error reading from server. Remote end closed connection [IP: 192.0.2.1 80]": Kind.UNREACHABLE,
    "E: Failed to fetch http://proxy/debian/dists/bookworm/InRelease  503  Service Unavailable": Kind.UNREACHABLE,
    "E: Release file for http://deb.debian.org/debian/dists/bookworm-updates/InRelease is not valid yet "
    "(invalid for another 1d 2h 3min 4s). Updates for this repository will not be applied.": Kind.NOT_YET_VALID,
    "E: Release file for http://deb.debian.org/debian-security/dists/bookworm-security/InRelease is expired "
    "(invalid since 3d 1h 2min 3s). Updates for this repository will not be applied.": Kind.EXPIRED,
    "W: GPG error: http://mirror.example/debian bookworm InRelease: The following signatures couldn't be verified "
    "because the public key is not available: NO_PUBKEY 0E98404D386FA1D9": Kind.UNTRUSTED,
    "E: The repository 'http://mirror.example/debian bookworm InRelease' is not signed.": Kind.UNTRUSTED,
    "W: OpenPGP signature verification failed: http://mirror.example/debian trixie InRelease: Sub-process "
    "/usr/bin/sqv returned an error code (1), error message is: Missing key 4D64FEC1": Kind.UNTRUSTED,
    "E: Failed to fetch http://deb.debian.org/debian/dists/trixie/main/binary-amd64/Packages.xz  "
    "File has unexpected size (720 != 1108). Mirror sync in progress? [IP: 192.0.2.1 80]": Kind.MOVING,
    "E: Failed to fetch http://deb.debian.org/debian/pool/main/b/bash/bash_5.deb  Hash Sum mismatch": Kind.MOVING,
    "E: Failed to fetch http://deb.debian.org/debian/pool/main/b/bash/bash_5.deb  "
    "404  Not Found [IP: 192.0.2.1 80]": Kind.MISSING,
    "E: The repository 'http://mirror.example/debian trixie Release' does not have a Release file.": Kind.MISSING,
    "E: Write error - write (28: No space left on device)": Kind.FULL,
    "E: You don't have enough free space in /x/archives/.": Kind.FULL,
    "E: Something that nobody has foreseen": Kind.OTHER,
}


@pytest.mark.parametrize(("said", "kind"), MESSAGES.items(), ids=[text[:40] for text in MESSAGES])
def test_each_message_is_understood(said: str, kind: Kind) -> None:
    assert read_fault(f"Ign:1 something\n{said}\nE: Some index files failed to download.\n").kind is kind


def test_the_cause_is_told_and_not_its_consequence() -> None:
    said = (
        "E: Failed to fetch http://a.example/x.deb  Error writing to file - write (28: No space left on device)\n"
        "E: Failed to fetch http://a.example/y.deb  Hash Sum mismatch\n"
        "E: Unable to fetch some archives\n"
    )
    fault = read_fault(said)
    assert fault.kind is Kind.FULL
    assert fault.line.startswith("Failed to fetch http://a.example/x.deb")


def test_silence_is_no_obstacle() -> None:
    assert read_fault("") == Fault(Kind.OTHER, "no reason given")


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_says_what_to_do(kind: Kind) -> None:
    error = explain(Fault(kind, "what apt said"), Path("/cache"), "2026-01-02 03:04 UTC")
    assert error.message.endswith(": what apt said")
    assert error.remedy
    assert error.exit_code == 1
