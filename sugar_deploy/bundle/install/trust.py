"""Who has signed a bundle, and whether this server trusts them."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.bundle.install.server import Server
from sugar_deploy.bundle.layout import Layout
from sugar_deploy.bundle.manifest import BadManifest, Manifest, parse, read_verified
from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.keys.gpg import clean_environment
from sugar_deploy.repository.signature import BadSignature, check_detached, dearmor

_KEY_TAG = 6


class Untrusted(BadManifest):
    """A bundle that nobody whom this server trusts has signed."""


def signers(signature: Path, file: Path, keys: Path) -> tuple[str, ...]:
    """Fingerprints of the keys in a keyring whose detached signature holds; raises BadSignature if there is none.

    By the program that this system's apt uses. During a change of keys a bundle is signed by both keys: one that is
    known is enough.
    """
    if shutil.which("gpgv"):
        return _by_gpgv(signature, file, keys)
    if shutil.which("sqv"):
        return _by_sqv(signature, file, keys)
    raise DeployError("neither gpgv nor sqv is installed", "Install what apt itself needs: apt-get install gpgv")


def _by_gpgv(signature: Path, file: Path, keys: Path) -> tuple[str, ...]:
    try:
        return check_detached(signature, file, keys)
    except BadSignature as error:
        hint = "; is this server's clock right?" if "expired" in str(error) else ""
        raise BadSignature(f"{error}{hint}") from None


def _by_sqv(signature: Path, file: Path, keys: Path) -> tuple[str, ...]:
    done = _run("sqv", "--keyring", str(keys), str(signature), str(file))
    found = re.findall(r"^[0-9A-F]{40,64}$", done.stdout, re.MULTILINE)
    if done.returncode == 0 and found:
        return tuple(found)
    if "manipulated" in done.stderr:
        raise BadSignature("it is not what was signed")
    if missing := re.findall(r"Missing key ([0-9A-F]+)", done.stderr):
        raise BadSignature(f"it is signed by another key ({', '.join(missing)})")
    if "xpired" in done.stderr:
        raise BadSignature("the signing key or the signature has expired; is this server's clock right?")
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    raise BadSignature(f"it holds no valid signature ({lines[0][:200]})" if lines else "it holds no valid signature")


def _run(*argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, env=clean_environment(), capture_output=True, text=True, errors="replace", check=False
    )


def fingerprints(keys: str) -> frozenset[str]:
    """Fingerprints of the primary keys (version 4) in an armoured text; raises BadManifest for a damaged one."""
    try:
        return frozenset(
            hashlib.sha1(b"\x99" + len(body).to_bytes(2) + body, usedforsecurity=False).hexdigest().upper()
            for tag, body in _packets(dearmor(keys))
            if tag == _KEY_TAG
        )
    except (ValueError, IndexError, OverflowError) as error:
        raise BadManifest(f"the bundle's key.asc is damaged: {error}", "Write the stick again") from None


def _packets(data: bytes) -> list[tuple[int, bytes]]:
    found, at = [], 0
    while at < len(data):
        head, at = data[at], at + 1
        if not head & 0x80:
            raise ValueError("it holds no OpenPGP packets")
        if head & 0x40:
            first = data[at]
            width = 1 if first < 192 else 2 if first < 224 else 5
            size = first if width == 1 else ((first - 192) << 8) + data[at + 1] + 192
            if width == 5:
                size = int.from_bytes(data[at + 1 : at + 5])
        else:
            width = 1 << (head & 3)
            size = int.from_bytes(data[at : at + width])
        at += width
        found.append((head & 0x3F if head & 0x40 else (head >> 2) & 0xF, data[at : at + size]))
        if at + size > len(data):
            raise ValueError("it ends too early")
        at += size
    return found


def spoken(fingerprint: str) -> str:
    """A fingerprint in groups of four, for reading aloud and comparing."""
    return " ".join(re.findall(".{1,4}", fingerprint))


def peek(layout: Layout) -> Manifest:
    """The manifest before anything proves it: only for telling early and clearly why a bundle is the wrong one."""
    if not (layout.manifest.is_file() and layout.signature.is_file()):
        return read_verified(layout, layout.key)  # Says what is missing.
    return parse(layout.manifest.read_text(encoding="utf-8", errors="replace"))


@dataclass(frozen=True, slots=True)
class Proof:
    """A manifest, and why it may be believed."""

    manifest: Manifest
    signers: tuple[str, ...]
    """Fingerprints of those that count and have signed it."""
    known: bool
    """Whether this server knew them before."""
    keys: str
    """The keys that the deployment trusts from now on, ASCII armoured."""


def proved(layout: Layout, server: Server, deployment: str) -> Proof:
    """The bundle's manifest, proved by the keys that this server trusts, else by those on the stick.

    Raises BadManifest, Untrusted.
    """
    trusted = server.trusted(deployment)
    keys = trusted or layout.key
    if not keys.is_file():
        raise BadManifest("the bundle has no key.asc", "Write the stick again")
    try:
        manifest, who = _read(layout, keys)
    except BadManifest as error:
        if trusted and "another key" in error.message:
            raise _foreign(trusted, error) from None
        if not (trusted and "expired" in error.message):
            raise
        manifest, who = _renewed(layout, trusted, error)
    text = layout.key.read_text(errors="replace") if layout.key.is_file() else ""
    held = fingerprints(text)
    if held != set(manifest.fingerprints) or not held:
        raise BadManifest(
            "the bundle's key.asc does not hold the keys that its manifest names", "Write the stick again"
        )
    return Proof(manifest, who, trusted is not None, text)


def _read(layout: Layout, keys: Path) -> tuple[Manifest, tuple[str, ...]]:
    who: list[str] = []
    manifest = read_verified(layout, keys, lambda *paths: who.extend(signers(*paths)))
    return manifest, tuple(who)


def _renewed(layout: Layout, trusted: Path, error: BadManifest) -> tuple[Manifest, tuple[str, ...]]:
    """By the stick's copy of a key that has expired here: it may have been given a longer life since.

    It is the same key if it has the same fingerprint; other keys of the stick count for nothing.
    """
    manifest, who = _read(layout, layout.key)
    same = tuple(one for one in who if one in fingerprints(trusted.read_text(errors="replace")))
    if not same:
        raise error
    return manifest, same


def _foreign(trusted: Path, error: BadManifest) -> Untrusted:
    known = ", ".join(sorted(map(spoken, fingerprints(trusted.read_text(errors="replace")))))
    return Untrusted(
        f"{error.message}; this server trusts {known}",
        "Use a stick of your own deployment. If its key was replaced, install a stick from the time when both keys "
        "signed first",
    )


def require_fingerprint(who: tuple[str, ...], wanted: str) -> None:
    """Refuse a bundle that the key with this fingerprint has not signed."""
    plain = re.sub(r"[\s:]", "", wanted).upper().removeprefix("0X")
    if not re.fullmatch(r"[0-9A-F]{40}([0-9A-F]{24})?", plain):
        raise UsageError(f"--fingerprint {wanted} is no fingerprint", "Give all of its 40 hexadecimal digits")
    if plain not in who:
        raise Untrusted(
            f"the bundle is signed by {', '.join(map(spoken, who))}, not by {spoken(plain)}",
            "Do not use this stick; ask whoever keeps the deployment's key",
        )
