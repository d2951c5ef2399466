"""A deployment's key set: a folder with keys.json, and for each key NAME-N.public as laptops hold it, NAME-N.pem.

All private keys of a set have one passphrase. They are PKCS#8, so that OpenSSL opens them even where this tool is
no more. keys.json is written last: a key counts when it stands there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from olpc_security.keys import PrivateKey, PublicKey
from olpc_security.rules import Refusal
from olpc_security.times import seconds_of, written

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.files import write_atomically
from sugar_deploy.folder import Folder
from sugar_deploy.keys.laptop.purposes import MOST_GENERATIONS, checked_name

YEAR_SECONDS = 31_557_600
SHORTEST_PASSPHRASE = 16
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of the set; times as laptops write them. A former one signs no more, but is still trusted by laptops."""

    name: str
    generation: int
    created: str
    expires: str
    former: bool = False

    @property
    def file(self) -> str:
        """What its files are called, without an ending."""
        return f"{self.name}-{self.generation}"


class KeySet:
    """The keys in a deployment's folder, or its keys for demonstrations, which never stand in for the others."""

    def __init__(self, folder: Folder, deployment: str, *, demo: bool = False) -> None:
        self.deployment = deployment
        self.demo = demo
        self.path = folder.demo_keys if demo else folder.laptop_keys
        self._index = self.path / "keys.json"

    def entries(self) -> tuple[Entry, ...]:
        """All keys, former ones too, by name and generation; raises DeployError for a set that is another's."""
        if not self._index.exists():
            return ()
        try:
            content = json.loads(self._index.read_text("utf-8"))
            if content["version"] != _VERSION:
                raise ValueError
            found = tuple(Entry(**each) for each in content["keys"])
        except (ValueError, TypeError, KeyError):
            raise DeployError(f"{self._index} is damaged", "Restore it from a copy, or from the escrow") from None
        self._require_own(content)
        return found

    def entry(self, name: str) -> Entry:
        """The present key of a name; raises UsageError if there is none."""
        found = [one for one in self.entries() if one.name == checked_name(name) and not one.former]
        if not found:
            raise UsageError(f"there is no key called {name} in {self.path}", "Make it: sugar-deploy keys create")
        return found[0]

    def public(self, entry: Entry) -> PublicKey:
        """The public key of an entry; raises DeployError if its file is damaged."""
        file = self.path / f"{entry.file}.public"
        try:
            return PublicKey(file.read_bytes())
        except Refusal as refusal:
            raise DeployError(f"{file}: {refusal.what}", "Restore it from a copy, or from the escrow") from None

    def has_private(self, entry: Entry) -> bool:
        """Whether the private key is on this machine."""
        return (self.path / f"{entry.file}.pem").exists()

    def has_any_private(self) -> bool:
        """Whether one of the private keys is on this machine, whose passphrase is the set's."""
        return any(self.has_private(entry) for entry in self.entries())

    def private(self, entry: Entry, passphrase: str) -> PrivateKey:
        """The private key of an entry; raises DeployError if the passphrase does not open it or it is not here."""
        file = self.path / f"{entry.file}.pem"
        if not file.exists():
            raise DeployError(
                f"the private key {entry.file} is not on this machine: there is no {file}",
                "Sign on the machine that has it: sugar-deploy keys export request",
            )
        try:
            key = PrivateKey.from_encrypted_pem(file.read_bytes(), passphrase.encode())
        except Refusal as refusal:
            raise DeployError(f"{file}: {refusal.what}", "Check the passphrase") from None
        if key.public != self.public(entry):
            raise DeployError(f"{file} belongs to another key than {entry.file}.public", "Restore both from a copy")
        return key

    def signer(self, name: str, passphrase: str, now: int) -> PrivateKey:
        """The present key of a name, ready to sign; raises DeployError when its time is over."""
        entry = self.entry(name)
        if now < seconds_of(entry.created):
            raise DeployError(
                f"this machine's clock says {written(now)}, before the key {name} was made",
                "Set the clock: what is signed by a wrong one locks laptops too early, or too late",
            )
        if seconds_of(entry.expires) < now:
            raise DeployError(
                f"the key {name} was to be replaced by {entry.expires}",
                f"Replace it: sugar-deploy keys rotate {name}",
            )
        return self.private(entry, passphrase)

    def create(self, names: Sequence[str], passphrase: str, now: int, years: int) -> tuple[Entry, ...]:
        """Make those keys that are not there yet; gives the new ones."""
        with self._changing(passphrase) as entries:
            have = {one.name for one in entries}
            wanted = [checked_name(name) for name in dict.fromkeys(names) if name not in have]
            made = [self._make(name, 1, PrivateKey.generate(), passphrase, now, years) for name in wanted]
            entries.extend(made)
        return tuple(made)

    def rotate(self, name: str, passphrase: str, now: int, years: int) -> Entry:
        """A new key in place of the present one, which stays as a former one."""
        with self._changing(passphrase) as entries:
            present = self.entry(name)
            if present.generation >= MOST_GENERATIONS:
                raise DeployError(f"laptops have no room for a {MOST_GENERATIONS + 1}th key {name}")
            entries[entries.index(present)] = replace(present, former=True)
            made = self._make(name, present.generation + 1, PrivateKey.generate(), passphrase, now, years)
            entries.append(made)
        return made

    def adopt(self, name: str, key: PrivateKey | PublicKey, passphrase: str, now: int, years: int) -> Entry:
        """Take in a key that was made elsewhere, with its private half if that is given; raises UsageError."""
        with self._changing(passphrase if isinstance(key, PrivateKey) else None) as entries:
            if any(one.name == checked_name(name) for one in entries):
                raise UsageError(f"there is a key called {name} in {self.path} already", "Name it otherwise")
            made = self._make(name, 1, key, passphrase, now, years)
            entries.append(made)
        return made

    def restore(self, entries: Sequence[Entry], keys: Sequence[PrivateKey], passphrase: str) -> None:
        """Put back a whole set; raises UsageError where there is one."""
        _require_long(passphrase)
        with self._changing(None) as present:
            if present:
                raise UsageError(f"there are keys in {self.path} already", "Restore into an empty folder")
            for entry, key in zip(entries, keys, strict=True):
                self._write(entry, key, passphrase)
            present.extend(entries)

    def _make(
        self, name: str, generation: int, key: PrivateKey | PublicKey, passphrase: str, now: int, years: int
    ) -> Entry:
        entry = Entry(name, generation, written(now), written(now + years * YEAR_SECONDS))
        self._write(entry, key, passphrase)
        return entry

    def _write(self, entry: Entry, key: PrivateKey | PublicKey, passphrase: str) -> None:
        public = key
        if isinstance(key, PrivateKey):
            write_atomically(self.path / f"{entry.file}.pem", key.encrypted_pem(passphrase.encode()))
            public = key.public
        assert isinstance(public, PublicKey)
        write_atomically(self.path / f"{entry.file}.public", public.der, 0o644)

    @contextlib.contextmanager
    def _changing(self, passphrase: str | None) -> Iterator[list[Entry]]:
        """The entries, to be changed as one step; with a passphrase, only by who knows the set's own."""
        if passphrase is not None:
            _require_long(passphrase)
        self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            entries = list(self.entries())
            known = next((one for one in entries if self.has_private(one)), None)
            if known is not None and passphrase is not None:
                self.private(known, passphrase)
            yield entries
            ordered = sorted(entries, key=lambda one: (one.name, one.generation))
            content = {
                "version": _VERSION,
                "deployment": self.deployment,
                "demo": self.demo,
                "keys": [asdict(one) for one in ordered],
            }
            write_atomically(self._index, json.dumps(content, indent=2) + "\n", 0o644)
        finally:
            os.close(lock)

    def _require_own(self, content: dict[str, Any]) -> None:
        if content["demo"] is not self.demo:
            if self.demo:
                raise DeployError(f"the keys in {self.path} are not for demonstrations", "Keep them elsewhere")
            raise DeployError(
                f"the keys in {self.path} are for demonstrations and protect nothing",
                "A deployment has keys of its own: sugar-deploy keys create",
            )
        if content["deployment"] != self.deployment:
            raise DeployError(
                f"the keys in {self.path} belong to the deployment {content['deployment']}",
                f"Take those of {self.deployment}, or correct its name in deployment.yml",
            )


def _require_long(passphrase: str) -> None:
    if len(passphrase) < SHORTEST_PASSPHRASE:
        raise UsageError(
            f"the passphrase is shorter than {SHORTEST_PASSPHRASE} characters",
            "Take five or six words by chance: it is all that stands between a stolen disk and the laptops",
        )
