"""Keys and profiles: Sugar's rules on text, and OpenSSH's opinion of what is made."""

from __future__ import annotations

import base64
import hashlib
import random
import re
import stat
import subprocess
from pathlib import Path

import pytest
from sugaroid import keys
from sugaroid.errors import InvalidInput
from sugaroid.keys import KeyPair
from sugaroid.profile import Hardware, Profile

PEM = "-----BEGIN DSA PRIVATE KEY-----\nMIIBu\nwIBAAKB \n-----END DSA PRIVATE KEY-----\n"
OPENSSH = "-----BEGIN OPENSSH PRIVATE KEY-----\nMIIBu\nwIBAAKB\n-----END OPENSSH PRIVATE KEY-----\n"
# printf 'MIIBuwIBAAKB' | sha1sum
HASH = "c1b2141a7638977b1f3bf7b7ce28c61013bf4490"


def test_the_password_is_the_hash_of_the_joined_body_lines() -> None:
    assert KeyPair(PEM, "").privkey_hash == HASH
    assert KeyPair(OPENSSH, "").privkey_hash == HASH


@pytest.mark.parametrize("text", ["", "MIIB", PEM.replace("DSA", "RSA"), "-----BEGIN DSA PRIVATE KEY-----\nMIIB\n"])
def test_no_password_without_a_key_that_sugar_knows(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"owner\.key holds no"):
        KeyPair(text, "").privkey_hash  # noqa: B018


@pytest.mark.parametrize(
    ("text", "pubkey"),
    [
        ("ssh-dss AAAAB3Nz \n", "AAAAB3Nz"),
        ("ssh-dss AAAAB3Nz ana@xo\n", "AAAAB3Nz ana@xo"),
        ("# a comment\nssh-dss AAAAB3Nz\n", "AAAAB3Nz"),
        ("ssh-ed25519 AAAAC3Nz\n", "AAAAC3Nz"),
    ],
)
def test_the_pubkey_is_the_text_behind_the_type(text: str, pubkey: str) -> None:
    assert KeyPair("", text).pubkey == pubkey


def test_the_account_is_the_hash_of_the_pubkey_text_with_its_comment() -> None:
    profile = Profile(KeyPair(PEM, "ssh-dss AAAAB3Nz ana@xo\n"), "Ana", "#000000,#FFFFFF")

    assert profile.account == hashlib.sha1(b"AAAAB3Nz ana@xo").hexdigest()


@pytest.mark.parametrize(
    ("kind", "openssh_form"), [("dsa", False), ("dsa", True), ("rsa", False), ("ed25519", False)]
)
def test_openssh_reads_what_is_made(kind: str, openssh_form: bool, tmp_path: Path) -> None:
    made = keys.generate(kind, "seed", openssh_form=openssh_form)
    private, public = tmp_path / "owner.key", tmp_path / "owner.key.pub"
    private.touch(mode=0o600)
    private.write_text(made.private_text)
    public.write_text(made.public_text)

    if kind == "dsa" and "ssh-dss" not in subprocess.run(["ssh", "-Q", "key"], capture_output=True, text=True).stdout:
        # OpenSSH 10 has forgotten DSA.
        _read_dsa_without_openssh(private, made)
        return
    derived = subprocess.run(["ssh-keygen", "-y", "-f", private], capture_output=True, text=True, check=True).stdout
    shown = subprocess.run(["ssh-keygen", "-lf", public], capture_output=True, text=True, check=True).stdout
    assert derived.split()[:2] == made.public_text.split()
    assert shown.split()[1] == made.fingerprint


def _read_dsa_without_openssh(private: Path, made: keys.KeyPair) -> None:
    blob = base64.b64decode(made.public_text.split()[1])
    assert made.fingerprint == "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")
    text = private.read_text()
    if "OPENSSH" in text:
        # OpenSSH's PROTOCOL.key: magic, cipher, kdf and its options, number of keys, then the public key's blob.
        body = base64.b64decode("".join(text.splitlines()[1:-1]))
        head = b"openssh-key-v1\0" + b"\0\0\0\4none" * 2 + b"\0\0\0\0" + b"\0\0\0\1"
        assert body.startswith(head + len(blob).to_bytes(4, "big") + blob)
        return
    argv = ["openssl", "dsa", "-in", private, "-noout", "-text"]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    numbers = "".join(shown.partition("pub:")[2].partition("P:")[0].split()).replace(":", "")
    assert blob.endswith(bytes.fromhex(numbers))


def test_the_dsa_group_is_sound() -> None:
    def is_prime(number: int) -> bool:
        chance = random.Random(1)
        return all(pow(chance.randrange(2, number), number - 1, number) == 1 for _ in range(20))

    assert keys.DSA_P.bit_length() == 1024
    assert keys.DSA_Q.bit_length() == 160
    assert is_prime(keys.DSA_P)
    assert is_prime(keys.DSA_Q)
    assert (keys.DSA_P - 1) % keys.DSA_Q == 0
    assert pow(keys.DSA_G, keys.DSA_Q, keys.DSA_P) == 1 < keys.DSA_G


@pytest.mark.parametrize("kind", ["dsa", "ed25519"])
def test_a_seed_makes_the_same_laptop_again_and_no_seed_never(kind: str) -> None:
    assert Profile.make("lima-1", kind=kind) == Profile.make("lima-1", kind=kind)
    assert Profile.make("lima-1", kind=kind).account != Profile.make("lima-2", kind=kind).account
    assert Profile.make(kind=kind).account != Profile.make(kind=kind).account


def test_a_pc_makes_up_serial_and_uuid_at_each_attempt() -> None:
    profile = Profile.make("pc")
    first = profile.attempt(now=lambda: 1_795_229_999.7)

    assert re.fullmatch("[A-Z]{3}95229999", first.serial)
    assert first.uuid[14] == "1"  # a time-based UUID
    assert profile.attempt(now=lambda: 1_795_229_999.7) != first


def test_an_xo_keeps_its_own() -> None:
    hardware = Hardware("SHC00700123", "9D0F8A4C-0000-4C1B-9D9D-000000000001")
    profile = Profile.make("xo", hardware=hardware)

    assert profile.attempt() == profile.attempt() == hardware


def test_a_profile_comes_back_from_its_folder(tmp_path: Path) -> None:
    profile = Profile.make("xo", nick="José 100% #1", hardware=Hardware("SHC00700123", "U"))
    folder = tmp_path / "a/default"
    profile.save(folder)
    profile.save(folder)
    profile.note_attempt(folder, Hardware("SHC00700123", "U"))

    assert Profile.load(folder) == profile
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert files == {"owner.key", "owner.key.pub", "config"} | {
        f"identifiers/{name}" for name in ("sn", "uuid", "backup_url")
    }
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.rglob("*") if path.is_file())
    assert (folder / "identifiers/sn").read_text() == "SHC00700123"


def test_a_laptops_own_profile_can_be_loaded(tmp_path: Path) -> None:
    made = subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", tmp_path / "owner.key"], check=True
    )
    assert made.returncode == 0
    profile = Profile.load(tmp_path)

    assert profile == Profile.load(tmp_path)
    assert (tmp_path / "owner.key.pub").read_text().split()[1] == profile.pubkey


@pytest.mark.parametrize("broken", ["owner.key", "owner.key.pub", "config"])
def test_a_broken_profile_is_an_error_with_its_name(broken: str, tmp_path: Path) -> None:
    Profile.make("x").save(tmp_path)
    (tmp_path / broken).write_bytes(b"\xff\xfe nonsense")

    with pytest.raises(InvalidInput):
        Profile.load(tmp_path)


@pytest.mark.parametrize("color", ["", "red", "#FFF,#000", "#FF2B34", "#FF2B34,#00588C;x"])
def test_a_colour_is_two_rgb_values(color: str) -> None:
    with pytest.raises(InvalidInput, match="no Sugar colour"):
        Profile.make(color=color)
