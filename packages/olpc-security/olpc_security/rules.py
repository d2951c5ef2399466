# SPDX-License-Identifier: GPL-3.0-or-later
"""The rules by which a laptop takes or refuses a file, by name, and the error that names the one broken."""

from __future__ import annotations

from enum import Enum


class Rule(Enum):
    """A rule's name, and the rule in words."""

    FIRST_WORD = "first-word", "every line begins with the file's own word: the first that does not ends the search"
    ONE_SPACE = "one-space", "fields are separated by exactly one space"
    FIELDS = "fields", "a record has all of its fields and nothing behind them"
    LINE_ENDS = "line-ends", "lines end in LF; CRLF only if all of them do"
    LINE_LENGTH = "line-length", "a line is shorter than 8192 bytes"
    BLOCKS = "1024-byte-blocks", "a line that touches three 1024-byte blocks of its file is read garbled"
    RECORD = "record", "the file has a record for this laptop"
    SERIAL = "serial", "a serial number is 11 capitals and digits"
    UUID = "uuid", "a UUID is 36 characters, as in the laptop's manufacturing data"
    DISPOSITION = "disposition", "the disposition is one character"
    TIME = "time", "a time is YYYYMMDDTHHMMSSZ in UTC, with each part in its range"
    EXPIRED = "expired", "the time of expiry has not passed"
    TOO_FAR = "68-years", "the expiry lies less than 2^31 seconds, 68 years, after the laptop's clock"
    CLOCK = "clock", "the laptop's clock is after 1 January 2007; before it only what never expires is valid"
    COUNT = "count", "the count of a clock reset has 10 digits, and is the laptop's own"
    SIGNATURE_WORD = "signature-word", "a signature begins with sig01: or sig02:"
    HASH = "hash", "the hash is the expected one"
    HEX = "hex", "keys and signatures are lower-case hexadecimal of the right length"
    KEY = "key", "a public key is the 270 bytes of a PKCS#1 RSA key of 2048 bits with the exponent 65537"
    TRUSTED_KEY = "trusted-key", "the signing key is one that the laptop trusts for this purpose"
    DELEGATION = "delegation", "each key of a chain has signed the next one for this laptop"
    OUTLIVES = "outlives-delegation", "nothing outlives the delegation that it rests on"
    CHAIN_LENGTH = "chain-length", "a chain has at most 100 groups"
    SIGNATURE = "signature", "the signature is right for this text, with RSA-PSS and a salt of 8 bytes"
    CANONICAL = "canonical-json", "JSON is canonical: no blanks, sorted names, only quotes and backslashes escaped"
    WRAPPER = "lease-wrapper", "a wrapper of leases is [1,{...}], each serial number with its own act01 lines"
    ENVELOPE = "oats-envelope", "a theft-deterrence answer is an oatc-signed-resp of version 1"
    NONCE = "nonce", "the answer carries the request's nonce"
    TAG = "manufacturing-tag", "the manufacturing data holds the laptop's SN and U#"

    def __init__(self, slug: str, words: str) -> None:
        self.slug = slug
        self.words = words

    def __str__(self) -> str:
        return self.slug


class Refusal(ValueError):
    """What a laptop would refuse: the first rule broken, and where (from 1; 0 where there is no such place)."""

    def __init__(self, rule: Rule, what: str, line: int = 0, column: int = 0) -> None:
        super().__init__(rule, what, line, column)
        self.rule = rule
        self.what = what
        self.line = line
        self.column = column

    def on_line(self, line: int) -> Refusal:
        """The same, on a line of a file."""
        return Refusal(self.rule, self.what, line, self.column)

    def __str__(self) -> str:
        place = ", ".join(f"{word} {n}" for word, n in (("line", self.line), ("column", self.column)) if n)
        return f"{place + ': ' if place else ''}{self.what} [{self.rule}: {self.rule.words}]"
