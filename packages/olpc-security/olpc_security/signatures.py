# SPDX-License-Identifier: GPL-3.0-or-later
"""Signature lines: sig01, and sig02 with its groups, the last of which signs and those before it delegate."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Union

from olpc_security.fields import Field, Fields, read_hex
from olpc_security.keys import KEYID_BYTES, PUBLIC_BYTES
from olpc_security.pss import SIGNATURE_BYTES
from olpc_security.rules import Refusal, Rule
from olpc_security.times import NEVER, seconds_of

SIG01, SIG02 = "sig01:", "sig02:"
MOST_GROUPS = 100


@dataclass(frozen=True)
class Sig01:
    """A signature without an expiry, by a key that its keyid (32 bytes) or the whole key (270) names."""

    hash_name: str
    key: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """The line, without its LF."""
        return f"{SIG01} {self.hash_name} {self.key.hex()} {self.signature.hex()}"


@dataclass(frozen=True)
class Group:
    """One key of a chain: what it signed counts until EXPIRES."""

    hash_name: str
    key: bytes = field(repr=False)
    expires: str
    signature: bytes = field(repr=False)
    columns: tuple[int, int, int, int] = field(default=(0, 0, 0, 0), compare=False, repr=False)
    """Where the four fields stood in the line that was read."""

    @property
    def text(self) -> str:
        """The group's four fields."""
        return f"{self.hash_name} {self.key.hex()} {self.expires} {self.signature.hex()}"


@dataclass(frozen=True)
class Sig02:
    """A chain of one group or more, bound to one laptop's serial number."""

    groups: tuple[Group, ...]

    @property
    def text(self) -> str:
        """The line, without its LF."""
        return " ".join((SIG02, *(group.text for group in self.groups)))

    @property
    def expires(self) -> str:
        """The earliest expiry of the groups."""
        bounded = [group.expires for group in self.groups if group.expires != NEVER]
        return min(bounded, key=seconds_of, default=NEVER)


Signature = Union[Sig01, Sig02]


def read_signature(fields: Fields) -> Signature:
    """The rest of a line as a signature; raises Refusal."""
    if read_word(fields) == SIG01:
        return read_sig01(fields)[0]
    return Sig02(tuple(read_groups(fields)))


def parse(line: str) -> Signature:
    """A signature line, with its LF or without; raises Refusal."""
    return read_signature(Fields(line[:-1] if line.endswith("\n") else line))


def read_word(fields: Fields) -> str:
    """`sig01:` or `sig02:`."""
    word = fields.take("signature")
    if word.text not in (SIG01, SIG02):
        raise Refusal(Rule.SIGNATURE_WORD, f"{word.text[:20]!r} begins no signature", column=word.column)
    return word.text


def read_sig01(fields: Fields) -> tuple[Sig01, tuple[int, int, int]]:
    """The fields behind `sig01:`, and their columns."""
    hash_name, key = fields.take("hash"), _key(fields)
    signature = fields.take("signature")
    fields.end()
    found = Sig01(hash_name.text, _hex(key, *KEY_SIZES), _hex(signature, SIGNATURE_BYTES))
    return found, (hash_name.column, key.column, signature.column)


def read_groups(fields: Fields) -> Iterator[Group]:
    """The groups behind `sig02:`, each read only when it is asked for."""
    for count in range(1, MOST_GROUPS + 2):
        if count > MOST_GROUPS:
            raise Refusal(Rule.CHAIN_LENGTH, f"the chain goes on behind {MOST_GROUPS} groups", column=fields.column)
        hash_name, key = fields.take("hash"), _key(fields)
        key_bytes = _hex(key, *KEY_SIZES)
        expires, signature = fields.take("expiry"), fields.take("signature")
        if expires.text != NEVER:
            seconds_of(expires.text, expires.column)
        columns = (hash_name.column, key.column, expires.column, signature.column)
        yield Group(hash_name.text, key_bytes, expires.text, _hex(signature, SIGNATURE_BYTES), columns)
        if not fields:
            return


KEY_SIZES = (KEYID_BYTES, PUBLIC_BYTES)


def _key(fields: Fields) -> Field:
    return fields.take("key")


def _hex(field: Field, *sizes: int) -> bytes:
    return read_hex(field.text, field.column, *sizes)
