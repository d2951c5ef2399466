"""A laptop's firmware, written from its documented rules alone: it shares nothing with the library, not even the
library's cryptography. Like the firmware it is generous where it may be: hexadecimal in capitals, any tail of a key.

The one thing added is the documents' warning that a chain's first key must always be a trusted one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence

VALID, NONE, INVALID = 1, 0, -1
DAYS_BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
START_2007 = 1167609600  # date -u -d 2007-01-01 +%s
NEVER = b"00000000T000000Z"


def scan(data: bytes, tag: bytes, serial: bytes, uuid: bytes, keys: Sequence[bytes], now: int) -> int:
    """1 valid, 0 no record for this laptop, -1 a record that ended the search."""
    for line in lines(data):
        words = line.split(b" ")
        if words[0] != tag:
            return INVALID
        if len(words) < 2 or words[1] != serial:
            continue
        if len(words) < 4 or len(words[2]) != 1 or len(words[3]) != 16 or expired(words[3], now):
            return INVALID
        key = unhex(words[6]) if len(words) > 6 and words[4] in (b"sig01:", b"sig02:") else None
        if key is None or not find(key, keys):
            continue
        text = b":".join((serial, uuid, words[2], words[3]))
        return VALID if signed(words[4:], text, serial, keys, now) else INVALID
    return NONE


def lines(data: bytes) -> Iterator[bytes]:
    """What the line reader gives; a line in three blocks of 1024 bytes comes out as something else."""
    start = 0
    for piece in re.findall(rb"[^\n]*\n|[^\n]+", data):
        garbled = len({place // 1024 for place in range(start, start + len(piece))}) > 2
        yield b"?" if garbled or len(piece) >= 8192 else re.sub(rb"\r?\n$", b"", piece)
        start += len(piece)


def signed(words: list[bytes], text: bytes, serial: bytes, keys: Sequence[bytes], now: int) -> bool:
    """Whether the words of a signature line are a good one of TEXT."""
    kind, rest = words[0], words[1:]
    if kind == b"sig01:":
        if len(rest) != 3 or rest[0] != b"sha256":
            return False
        key, signature = unhex(rest[1]), unhex(rest[2])
        return bool(key is not None and signature and verified(find(key, keys), text, signature))
    if len(rest) % 4 or len(rest) > 400:
        return False
    groups = [rest[at : at + 4] for at in range(0, len(rest), 4)]
    for number, (name, key_text, expiry, signature_text) in enumerate(groups):
        key, signature = unhex(key_text), unhex(signature_text)
        if name != b"sha256" or key is None or signature is None or expired(expiry, now):
            return False
        if number == 0 or len(key) != 270:
            key = find(key, keys)
        following = b"key01: " + groups[number + 1][1] + b"\n" if number + 1 < len(groups) else text
        if not verified(key, serial + b":" + expiry + b":" + following, signature):
            return False
    return bool(groups)


def find(tail: bytes, keys: Sequence[bytes]) -> bytes:
    return next((key for key in keys if key[len(key) - len(tail) :] == tail), b"")


def unhex(text: bytes) -> bytes | None:
    digits = b"0123456789abcdefABCDEF"
    if len(text) % 2 or any(digit not in digits for digit in text):
        return None
    return int(text or b"0", 16).to_bytes(len(text) // 2, "big")


def expired(text: bytes, now: int) -> bool:
    if text == NEVER:
        return False
    if len(text) != 16 or text[8:9] != b"T" or text[15:] != b"Z" or not (text[:8] + text[9:15]).isdigit():
        return True
    year, month, day = int(text[:4]), int(text[4:6]), int(text[6:8])
    hour, minute, second = int(text[9:11]), int(text[11:13]), int(text[13:15])
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second < 60):
        return True
    leap = (year % 4 == 0 and year % 100 != 0) or year % 400 == 0
    before = year - 1
    days = before * 365 + before // 4 - before // 100 + before // 400 - 719162
    days += DAYS_BEFORE[month - 1] + (1 if leap and month > 2 else 0) + day - 1
    seconds = days * 86400 + hour * 3600 + minute * 60 + second
    # Both comparisons are of signed 32-bit numbers.
    return not (0 <= now - START_2007 < 2**31 and 0 <= seconds - now < 2**31)


def verified(key: bytes, text: bytes, signature: bytes, name: str = "sha256") -> bool:
    """EMSA-PSS of PKCS#1 v2.1, section 9.1.2, with a salt of 8 bytes and 256 bytes of result."""
    if len(key) != 270 or len(signature) != 256:
        return False
    modulus = int.from_bytes(key[9:265], "big")
    number = int.from_bytes(signature, "big")
    if number >= modulus:
        return False
    block = pow(number, 65537, modulus).to_bytes(256, "big")
    digest = hashlib.new(name, text).digest()
    size = 255 - len(digest)
    masked, found = block[:size], block[size:255]
    if block[255] != 0xBC or masked[0] & 0x80:
        return False
    mask = b"".join(hashlib.new(name, found + bytes([0, 0, 0, count])).digest() for count in range(16))[:size]
    plain = bytes(one ^ other for one, other in zip(masked, mask, strict=True))
    plain = bytes([plain[0] & 0x7F]) + plain[1:]
    padding, salt = plain[:-8], plain[-8:]
    if padding != bytes(len(padding) - 1) + b"\x01":
        return False
    return hashlib.new(name, bytes(8) + digest + salt).digest() == found
