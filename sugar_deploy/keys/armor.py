"""OpenPGP's ASCII armour (RFC 9580, section 6), to put several public keys into one."""

from __future__ import annotations

import base64
import binascii
import textwrap
from collections.abc import Iterable

BEGIN = "-----BEGIN PGP PUBLIC KEY BLOCK-----"
END = "-----END PGP PUBLIC KEY BLOCK-----"


def dearmor(text: str) -> bytes:
    """The key in an ASCII armour. Raises ValueError."""
    lines = [line.strip() for line in text.splitlines()]
    try:
        begin = lines.index(BEGIN)
        end = lines.index(END)
        body = lines[lines.index("", begin) + 1 : end]
        return base64.b64decode("".join(line for line in body if not line.startswith("=")), validate=True)
    except (ValueError, binascii.Error):
        raise ValueError("it holds no ASCII armoured public key") from None


def joined(blocks: Iterable[str]) -> str:
    """Several armoured keys as one block, in this order; a single one as it is."""
    texts = tuple(blocks)
    if len(texts) == 1:
        return texts[0]
    content = b"".join(dearmor(text) for text in texts)
    body = textwrap.wrap(base64.b64encode(content).decode(), 64)
    checksum = base64.b64encode(_crc24(content).to_bytes(3, "big")).decode()
    return "\n".join([BEGIN, "", *body, f"={checksum}", END, ""])


def _crc24(content: bytes) -> int:
    crc = 0xB704CE
    for byte in content:
        crc ^= byte << 16
        for _ in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    return crc
