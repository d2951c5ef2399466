"""Public keys: the forms that are accepted, the fingerprint of OpenSSH, and whatever must be refused."""

from __future__ import annotations

import base64
import hashlib
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sugar_server.registration.keys import InvalidKey, parse

TYPES = {
    "ssh-dss",
    "ssh-rsa",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
}


def blob(*fields: bytes) -> str:
    return base64.b64encode(b"".join(struct.pack(">I", len(field)) + field for field in fields)).decode()


GOOD_ED25519 = blob(b"ssh-ed25519", bytes(range(32)))


def test_every_type_is_made(public_keys):
    assert set(public_keys) == TYPES


@pytest.mark.parametrize("kind", sorted(TYPES))
@pytest.mark.parametrize(
    "form", ["{blob}", "{blob} child@xo", "{blob} Ñandú en clase", "{type} {blob}", "{type} {blob} c"]
)
def test_forms_of_one_key_are_one_identity(public_keys, kind, form):
    key_type, key_blob = public_keys[kind].split()
    key = parse(form.format(type=key_type, blob=key_blob))
    assert key.type == kind
    assert key.text == f"{key_type} {key_blob}"
    digest = hashlib.sha256(base64.b64decode(key_blob)).digest()
    assert key.fingerprint == "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@pytest.mark.parametrize("kind", sorted(TYPES - {"ssh-dss"}))
def test_fingerprint_is_that_of_openssh(public_keys, kind, tmp_path):
    path = tmp_path / "key.pub"
    path.write_text(public_keys[kind] + "\n")
    printed = subprocess.run(["ssh-keygen", "-lf", path], capture_output=True, text=True, check=True).stdout
    assert printed.split()[1] == parse(public_keys[kind]).fingerprint


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("ssh-rsa", "empty"),
        ("ssh-ed25519 ", "empty"),
        (f"{GOOD_ED25519}\n", "newline"),
        (f"{GOOD_ED25519}\nssh-rsa AAAA", "newline"),
        (f"{GOOD_ED25519} a\rb", "newline"),
        (f"{GOOD_ED25519} a\x85b", "newline"),
        (f"{GOOD_ED25519} a\u2028b", "newline"),
        (f"{GOOD_ED25519} a\u202eb", "control character"),
        (f"{GOOD_ED25519}\0", "control character"),
        (f"{GOOD_ED25519}\t", "control character"),
        (f"{GOOD_ED25519}\x1b[2J", "control character"),
        (f'command="rm -rf /" ssh-ed25519 {GOOD_ED25519}', "does not start"),
        (f'command="reboot",no-pty {GOOD_ED25519}', "does not start"),
        (f"restrict ssh-ed25519 {GOOD_ED25519}", "cut off|not supported"),
        (f"cert-authority ssh-ed25519 {GOOD_ED25519}", "does not start"),
        (f'{GOOD_ED25519} command="reboot"', "option"),
        (f"ssh-ed25519 {GOOD_ED25519} from=*", "option"),
        (f"ssh-rsa {GOOD_ED25519}", "not of the type"),
        (GOOD_ED25519[:-1], "does not start"),
        (GOOD_ED25519[:-4], "cut off"),
        (GOOD_ED25519 + "AAAA", "does not start|after its end|canonical"),
        (blob(b"ssh-ed25519", bytes(32), b""), "after its end"),
        (blob(b"ssh-ed25519", bytes(31)), "not a sound"),
        (blob(b"ssh-ed25519-cert-v01@openssh.com", bytes(32)), "not supported"),
        (blob(b"ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\x7f" * 128), "malformed number"),
        (blob(b"ssh-rsa", b"\x01\x00\x01", b"\xff" * 128), "malformed number"),
        (blob(b"ssh-rsa", b"\x01\x00\x01", b"\x00" + b"\xff" * 64), "not a sound"),
        (blob(b"ssh-rsa", b"\x02", b"\x00" + b"\xff" * 128), "not a sound"),
        (blob(b"ssh-rsa", b"", b"\x00" + b"\xff" * 128), "malformed number"),
        (blob(b"ssh-dss", b"\x01", b"\x01", b"\x01", b"\x01"), "not a sound"),
        (blob(b"ecdsa-sha2-nistp256", b"nistp384", b"\x04" + bytes(96)), "not a sound"),
        (blob(b"ecdsa-sha2-nistp256", b"nistp256", b"\x02" + bytes(64)), "not a sound"),
        (base64.b64encode(struct.pack(">I", 2**32 - 1) + b"ssh-rsa").decode(), "cut off"),
        ("-----BEGIN OPENSSH PRIVATE KEY----- AAAA", "private key"),
        ("A" * 20000, "too long"),
        ("ñ", "does not start"),
    ],
)
def test_what_is_no_public_key_is_refused(text, why):
    with pytest.raises(InvalidKey, match=why):
        parse(text)


def test_base64_with_stray_bits_is_refused():
    """One key would otherwise have several texts."""
    encoded = blob(b"ssh-ed25519", bytes(31))
    assert encoded.endswith("A=")
    with pytest.raises(InvalidKey, match="canonical"):
        parse(encoded[:-2] + "B=")


@given(st.binary(max_size=200), st.integers(0, 60), st.binary(min_size=1, max_size=4))
def test_any_bytes_are_a_key_or_refused(tail, at, patch):
    good = base64.b64decode(GOOD_ED25519)
    for data in (tail, good[:at] + patch + good[at + len(patch) :], b"\0\0\0\7ssh-dss" + tail):
        text = base64.b64encode(data).decode()
        try:
            assert parse(text).blob == data
        except InvalidKey as error:
            assert str(error)


@given(st.text(max_size=100))
def test_any_text_is_a_key_or_refused(text):
    with pytest.raises(InvalidKey):
        parse(text)
