"""Signing what the laptops' firmware asks signatures of, with whatever holds the deployment's keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.image.bundles.signing import Key, trusted
from sugar_deploy.image.bundles.writing import meant_by, write_bundle


@dataclass(frozen=True, slots=True)
class Signer:
    """Gives a file's data.sig by the key for a purpose; KEYS are the public ones, which the laptops trust."""

    sign: Callable[[Path, str], bytes]
    keys: tuple[Key, ...]

    @property
    def used(self) -> list[dict[str, str]]:
        """The keys, for the manifest."""
        return [{"purpose": key.purpose, "keyid": key.public.keyid.hex()} for key in self.keys]


def write_signed(target: Path, data: Path, signer: Signer) -> None:
    """Write the bundle TARGET of a file, signed by the key for its kind; raises UsageError."""
    kind, _ = meant_by(target)
    keys = [Key(kind.key, key) for key in trusted(signer.keys, kind.key).keys]
    write_bundle(target, data.read_bytes(), signer.sign(data, kind.key), keys)
