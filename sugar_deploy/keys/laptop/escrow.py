"""A key set for the worst day: encrypted once, its secret split among custodians of whom some number must agree.

The secret is 16 random bytes, split by Shamir's scheme (PyCryptodome's, over GF(2^128)). Fewer shares than needed
tell nothing of it; shares that do not belong together are found out, because the box does not open.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from Cryptodome.Protocol.SecretSharing import Shamir
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from olpc_security.keys import PrivateKey

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.files import write_on_media
from sugar_deploy.keys.laptop.keyset import Entry, KeySet

BOX, SHARE = "keys.box", "share.txt"
_NONCE_BYTES = 12
_SECRET_BYTES = 16
_HEAD = "Share of a sugar-deploy key escrow"


@dataclass(frozen=True, slots=True)
class Share:
    """One custodian's part of the secret; BOX names the box that it belongs to."""

    deployment: str
    box: str
    number: int
    shares: int
    needed: int
    secret: bytes

    @property
    def text(self) -> str:
        """To be kept as a file or on paper; the check finds a slip of who types it in again."""
        digits = self.secret.hex()
        groups = " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))
        body = [
            _HEAD,
            f"deployment: {self.deployment}",
            f"box: {self.box}",
            f"share: {self.number} of {self.shares}",
            f"needed: {self.needed}",
            f"secret: {groups}",
        ]
        return "\n".join([*body, f"check: {_check(body)}", ""])


def read_share(file: Path) -> Share:
    """The share in a file; raises UsageError."""
    try:
        *body, last = [" ".join(line.split()) for line in file.read_text("utf-8").splitlines() if line.strip()]
        fields = dict(line.split(": ", 1) for line in body[1:])
        number, _, shares = fields["share"].partition(" of ")
        secret = bytes.fromhex(fields["secret"])
        share = Share(fields["deployment"], fields["box"], int(number), int(shares), int(fields["needed"]), secret)
    except (ValueError, KeyError, UnicodeDecodeError):
        raise UsageError(f"{file} is no share of a key escrow", f"Name the custodians' {SHARE} files") from None
    if last != f"check: {_check(body)}" or len(secret) != _SECRET_BYTES:
        raise UsageError(
            f"{file} has a slip in it: its check does not fit", "Compare it with the custodian's original"
        )
    return share


def split(keys: KeySet, passphrase: str, out: Path, *, shares: int, needed: int) -> tuple[Path, ...]:
    """Write a folder for each custodian: the box, and that custodian's share; proved before this returns."""
    if not 2 <= needed <= shares <= 99:
        raise UsageError(
            f"{needed} of {shares} custodians is no way to share", "Two or more must be needed, of up to 99"
        )
    if out.exists() and any(out.iterdir()):
        raise UsageError(f"{out} is not empty", "Name a new folder")
    secret = secrets.token_bytes(_SECRET_BYTES)
    box = _closed(_content(keys, passphrase), secret)
    name = hashlib.sha256(box).hexdigest()[:16]
    parts = Shamir.split(needed, shares, secret, ssss=False)
    written = [Share(keys.deployment, name, number, shares, needed, part) for number, part in parts]
    folders = []
    for share in written:
        folder = out / f"custodian-{share.number}"
        folder.mkdir(parents=True, mode=0o700)
        write_on_media(folder / BOX, box)
        write_on_media(folder / SHARE, share.text.encode())
        folders.append(folder)
    # What was written is read again: the last ones of the custodians open it.
    opened(folders[-1] / BOX, [read_share(folder / SHARE) for folder in folders[-needed:]])
    return tuple(folders)


def opened(box: Path, shares: Sequence[Share]) -> tuple[list[Entry], list[PrivateKey]]:
    """The keys in a box; raises UsageError unless there are shares enough, and all of this box."""
    content = box.read_bytes()
    name = hashlib.sha256(content).hexdigest()[:16]
    if strange := [share for share in shares if share.box != name]:
        raise UsageError(f"share {strange[0].number} belongs to another box than {box}", "Take those of one escrow")
    distinct = {share.number: share for share in shares}
    needed = max((share.needed for share in shares), default=2)
    if len(distinct) < needed:
        raise UsageError(f"{len(distinct)} different shares are here, {needed} are needed", "Ask another custodian")
    secret = Shamir.combine([(share.number, share.secret) for share in list(distinct.values())[:needed]], ssss=False)
    try:
        plain = AESGCM(_key(secret)).decrypt(content[:_NONCE_BYTES], content[_NONCE_BYTES:], None)
    except InvalidTag:
        raise UsageError(f"these shares do not open {box}", "Compare them with the custodians' originals") from None
    kept = json.loads(plain)
    entries = [Entry(**each["entry"]) for each in kept["keys"]]
    return entries, [PrivateKey.from_der(base64.b64decode(each["private"])) for each in kept["keys"]]


def _content(keys: KeySet, passphrase: str) -> bytes:
    entries = [entry for entry in keys.entries() if keys.has_private(entry)]
    if not entries:
        raise DeployError(f"there are no private keys in {keys.path}", "Make them: sugar-deploy keys create")
    kept = [
        {"entry": asdict(entry), "private": base64.b64encode(keys.private(entry, passphrase).der).decode()}
        for entry in entries
    ]
    return json.dumps({"deployment": keys.deployment, "keys": kept}).encode()


def _closed(plain: bytes, secret: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(_key(secret)).encrypt(nonce, plain, None)


def _key(secret: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, b"sugar-deploy key escrow").derive(secret)


def _check(body: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(body).encode()).hexdigest()[:8]
