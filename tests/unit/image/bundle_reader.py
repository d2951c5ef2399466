"""How the firmware takes a bundle apart, modelled from its documented rules alone; shares nothing with the product.

It looks for a local header in the first 2000 bytes, and goes from one to the next by the sizes in them. The bytes of
a member are what it hands out, whatever its method. Signatures are verified by openssl.
"""

from __future__ import annotations

import subprocess
from pathlib import Path

LOCAL, CENTRAL = bytes([0x50, 0x4B, 3, 4]), bytes([0x50, 0x4B, 1, 2])


class Unreadable(Exception):
    """The firmware does not find the member."""


def little(data: bytes) -> int:
    return sum(byte << 8 * place for place, byte in enumerate(data))


def member(archive: bytes, wanted: str) -> bytes:
    """The bytes that the firmware gets for a member."""
    at = next((start for start in range(min(2000, len(archive))) if archive[start : start + 4] == LOCAL), -1)
    if at < 0:
        raise Unreadable("no zip")
    while archive[at : at + 4] == LOCAL:
        length, name_length, extra = (
            little(archive[at + 18 : at + 22]),
            little(archive[at + 26 : at + 28]),
            little(archive[at + 28 : at + 30]),
        )
        name = archive[at + 30 : at + 30 + name_length]
        start = at + 30 + name_length + extra
        if name == wanted.encode():
            return archive[start : start + length]
        at = start + length
    raise Unreadable("directory reached" if archive[at : at + 4] == CENTRAL else "lost between members")


def takes(archive: bytes, public: Path, hashes: tuple[str, ...], work: Path) -> bool:
    """Whether a laptop with that key takes the bundle: its lines of that key, one for each hash, in this order."""
    image = member(archive, "data.img")
    keyid = public.read_bytes()[-32:].hex()
    lines = [line.split(" ") for line in member(archive, "data.sig").decode("ascii").split("\n")]
    own = [words for words in lines if len(words) == 4 and words[0] == "sig01:" and words[2] == keyid]
    if len(own) < len(hashes):
        return False
    return all(
        words[1] == name and verified(image, bytes.fromhex(words[3]), public, name, work)
        for words, name in zip(own, hashes, strict=False)
    )


def verified(image: bytes, signature: bytes, public: Path, name: str, work: Path) -> bool:
    (work / "image").write_bytes(image)
    (work / "signature").write_bytes(signature)
    digest = {"sha256": "sha256", "rmd160": "ripemd160"}[name]
    argv = ["openssl", "rsa", "-RSAPublicKey_in", "-inform", "DER", "-in", public, "-pubout", "-out", work / "pem"]
    subprocess.run(argv, check=True, capture_output=True)
    argv = ["openssl", "dgst", f"-{digest}", "-verify", work / "pem", "-signature", work / "signature"]
    argv += ["-sigopt", "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:8", "-sigopt", f"rsa_mgf1_md:{digest}"]
    return subprocess.run([*argv, work / "image"], check=False, capture_output=True).returncode == 0
