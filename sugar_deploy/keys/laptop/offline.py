"""Signing on another machine than the one that composes: a request goes there, an answer comes back.

A request tells what is to be signed, by name, size and digests, so that the person who signs can compare them. The
answer is proved against the deployment's public key and the file itself before it becomes a data.sig.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olpc_security.bundles import require_firmware, require_image
from olpc_security.keys import PrivateKey, PublicKey
from olpc_security.rules import Refusal
from olpc_security.signatures import Sig01
from olpc_security.trust import TrustedKeys

from sugar_deploy.errors import UsageError

HASHES = {"sha256": "sha256", "rmd160": "ripemd160"}
"""As signature lines name them, and as Python does."""
IMAGE_KEYS = ("os", "fs", "fw")


@dataclass(frozen=True, slots=True)
class Item:
    """A file to be signed: a firmware image by both hashes, others by the first."""

    name: str
    size_bytes: int
    digests: dict[str, str]


@dataclass(frozen=True, slots=True)
class Request:
    """What a key is to sign, and in an answer the lines that it signed, in the items' order."""

    deployment: str
    key: str
    keyid: str
    items: tuple[Item, ...]
    signatures: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The request or answer as a file."""
        items = [{"name": one.name, "bytes": one.size_bytes, "digests": one.digests} for one in self.items]
        content = {"version": 1, "deployment": self.deployment, "key": self.key, "keyid": self.keyid, "items": items}
        return json.dumps(content | {"signatures": list(self.signatures)}, indent=2) + "\n"


def hashes_of(key: str) -> tuple[str, ...]:
    """The hashes by which a key signs."""
    if key not in IMAGE_KEYS:
        raise UsageError(f"the key {key} signs no files", f"Name one of {', '.join(IMAGE_KEYS)}")
    return tuple(HASHES) if key == "fw" else ("sha256",)


def item(file: Path, key: str) -> Item:
    """A file's item in a request."""
    content = file.read_bytes()
    digests = {name: hashlib.new(HASHES[name], content).hexdigest() for name in hashes_of(key)}
    return Item(file.name, len(content), digests)


def read(file: Path) -> Request:
    """A request or an answer; raises UsageError."""
    try:
        content: dict[str, Any] = json.loads(file.read_text("utf-8"))
        if content["version"] != 1:
            raise ValueError
        items = tuple(Item(str(one["name"]), int(one["bytes"]), dict(one["digests"])) for one in content["items"])
        signatures = tuple(str(one) for one in content["signatures"])
        key, keyid = str(content["key"]), str(content["keyid"])
    except (ValueError, KeyError, TypeError):
        raise UsageError(
            f"{file} is no request for signatures", "Make one: sugar-deploy keys export request"
        ) from None
    for one in items:
        _require_digests(file, key, one)
    return Request(str(content["deployment"]), key, keyid, items, signatures)


def answered(request: Request, key: PrivateKey) -> Request:
    """The request with its items signed; raises UsageError if it asks for another key."""
    if request.keyid != key.public.keyid.hex():
        raise UsageError(
            f"the request is for another key {request.key} than this machine has",
            "Bring this machine's keys or the other one's up to date",
        )
    signatures = tuple(signed(one, key) for one in request.items)
    return Request(request.deployment, request.key, request.keyid, request.items, signatures)


def signed(one: Item, key: PrivateKey) -> str:
    """The lines of an item's data.sig."""
    made = (
        Sig01(name, key.public.keyid, key.sign_digest(bytes.fromhex(digest), name))
        for name, digest in one.digests.items()
    )
    return "".join(f"{signature.text}\n" for signature in made)


def accepted(answer: Request, number: int, file: Path, key: PublicKey, now: int) -> bytes:
    """The data.sig of a file, from an answer's item; raises UsageError unless laptops take it."""
    if number >= len(answer.signatures):
        raise UsageError("the answer has no signatures", "Take the file that `sugar-deploy keys sign` wrote")
    require = require_firmware if answer.key == "fw" else require_image
    data_sig = answer.signatures[number].encode("ascii")
    try:
        require(file.read_bytes(), data_sig, TrustedKeys((key,)), now)
    except Refusal as refusal:
        raise UsageError(f"the answer is not for {file} as it is now: {refusal.what}", "Ask for a new one") from None
    return data_sig


def _require_digests(file: Path, key: str, one: Item) -> None:
    sizes = {name: hashlib.new(HASHES[name]).digest_size * 2 for name in hashes_of(key)}
    lengths = {name: len(digest) for name, digest in one.digests.items() if set(digest) <= set("0123456789abcdef")}
    if lengths != sizes:
        raise UsageError(f"{file} does not have the digests of {one.name} that the key {key} signs", "Make it anew")
