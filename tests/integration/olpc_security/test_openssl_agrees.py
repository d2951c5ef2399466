"""OpenSSL's own program signs what we take, takes what we sign, and reads and makes our key files."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from olpc_security import issue
from olpc_security.bundles import sign_firmware
from olpc_security.keys import PrivateKey, PublicKey
from olpc_security.laptop import Laptop
from olpc_security.oats import sign_response
from olpc_security.scan import scan_leases
from olpc_security.sign import delegate
from olpc_security.signatures import Sig01, Sig02
from olpc_security.trust import TrustedKeys

LAPTOP = Laptop("SHC12345678", "0AB12C3D-1234-5678-9ABC-DEF012345678")
NOW, EXPIRES = 1748736000, "20300101T000000Z"


def openssl(*arguments: str | Path, stdin: bytes = b"", status: int = 0) -> bytes:
    result = subprocess.run(["openssl", *map(str, arguments)], input=stdin, capture_output=True)
    assert result.returncode == status, result.stderr.decode()
    return result.stdout


def options(hash_name: str, salt: int = 8) -> list[str]:
    wishes = ("rsa_padding_mode:pss", f"rsa_pss_saltlen:{salt}", f"rsa_mgf1_md:{hash_name}")
    return [f"-{hash_name}", *(word for wish in wishes for word in ("-sigopt", wish))]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two keys that OpenSSL made, in its own forms and in the laptops'."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("root", "server"):
        pem = folder / f"{name}.pem"
        openssl("genrsa", "-out", pem, "2048")
        openssl("rsa", "-in", pem, "-traditional", "-outform", "DER", "-out", folder / f"{name}.private")
        openssl("rsa", "-in", pem, "-RSAPublicKey_out", "-outform", "DER", "-out", folder / f"{name}.public")
        openssl("rsa", "-in", pem, "-pubout", "-out", folder / f"{name}.pub.pem")
    return folder


def private(folder: Path, name: str) -> PrivateKey:
    return PrivateKey.from_der((folder / f"{name}.private").read_bytes())


def accepted(folder: Path, name: str, signature: bytes, text: bytes, hash_name: str = "sha256") -> bool:
    file = folder / "signature"
    file.write_bytes(signature)
    key = folder / f"{name}.pub.pem"
    argv = ["openssl", "dgst", *options(hash_name), "-verify", str(key), "-signature", str(file)]
    return subprocess.run(argv, input=text, capture_output=True).returncode == 0


def test_key_files_are_the_same_bytes(folder: Path) -> None:
    key = private(folder, "root")
    assert key.der == (folder / "root.private").read_bytes()
    assert key.public.der == (folder / "root.public").read_bytes()
    made = folder / "made"
    made.write_bytes(PrivateKey.generate().der)
    assert b"RSA key ok" in openssl("rsa", "-in", made, "-inform", "DER", "-check", "-noout")


@pytest.mark.parametrize(("bits", "exponent"), [(2048, 3), (1024, 65537), (3072, 65537)])
def test_other_keys_are_refused(tmp_path: Path, bits: int, exponent: int) -> None:
    pem = tmp_path / "key.pem"
    openssl(
        "genpkey",
        "-algorithm",
        "RSA",
        "-pkeyopt",
        f"rsa_keygen_bits:{bits}",
        "-pkeyopt",
        f"rsa_keygen_pubexp:{exponent}",
        "-out",
        pem,
    )
    with pytest.raises(ValueError, match="exponent"):
        PrivateKey.from_der(openssl("rsa", "-in", pem, "-traditional", "-outform", "DER"))
    with pytest.raises(ValueError, match="bytes"):
        PublicKey(openssl("rsa", "-in", pem, "-RSAPublicKey_out", "-outform", "DER"))


def test_openssl_takes_a_lease(folder: Path) -> None:
    lease = issue.lease(private(folder, "root"), LAPTOP, EXPIRES, NOW)
    assert isinstance(lease.signature, Sig01)
    text = f"{LAPTOP.serial}:{LAPTOP.uuid}:K:{EXPIRES}".encode()
    assert accepted(folder, "root", lease.signature.signature, text)
    assert not accepted(folder, "root", lease.signature.signature, text + b"\n")
    assert not accepted(folder, "server", lease.signature.signature, text)


def test_openssl_takes_each_group_of_a_chain(folder: Path) -> None:
    server = private(folder, "server")
    chain = delegate(private(folder, "root"), server.public, LAPTOP.serial, "20310101T000000Z")
    lease = issue.lease(server, LAPTOP, EXPIRES, NOW, chain)
    assert isinstance(lease.signature, Sig02)
    first, last = lease.signature.groups
    key = (folder / "server.public").read_bytes().hex()
    assert accepted(folder, "root", first.signature, f"SHC12345678:20310101T000000Z:key01: {key}\n".encode())
    text = f"SHC12345678:{EXPIRES}:SHC12345678:{LAPTOP.uuid}:K:{EXPIRES}".encode()
    assert accepted(folder, "server", last.signature, text)


def test_openssl_takes_firmware_by_ripemd_160(folder: Path) -> None:
    for line, hash_name in zip(
        sign_firmware(b"rom", [private(folder, "root")]).splitlines(), ("sha256", "rmd160"), strict=True
    ):
        assert accepted(folder, "root", bytes.fromhex(line.split()[3].decode()), b"rom", hash_name)


def test_openssl_takes_an_answer(folder: Path) -> None:
    body = sign_response(private(folder, "root"), {"nonce": "1", "time": "20250601T000000Z"})
    inner = b'["oatc-resp",1,{"nonce":"1","time":"20250601T000000Z"}]'
    signature = body[-len(b'\n"]]]]') - 512 : -len(b'\n"]]]]')]
    assert inner in body
    assert accepted(folder, "root", bytes.fromhex(signature.decode()), inner)


@pytest.mark.parametrize(("salt", "good"), [(8, True), (0, False), (20, False), (32, False)])
def test_we_take_what_openssl_signs_with_a_salt_of_8(folder: Path, salt: int, good: bool) -> None:
    text = f"{LAPTOP.serial}:{LAPTOP.uuid}:K:{EXPIRES}".encode()
    signature = openssl("dgst", *options("sha256", salt), "-sign", folder / "root.pem", stdin=text)
    public = PublicKey((folder / "root.public").read_bytes())
    line = f"act01: {LAPTOP.serial} K {EXPIRES} sig01: sha256 {public.keyid.hex()} {signature.hex()}\n"
    assert scan_leases(line.encode(), LAPTOP, TrustedKeys((public,)), NOW).is_valid is good


def test_we_refuse_the_older_padding(folder: Path) -> None:
    text = f"{LAPTOP.serial}:{LAPTOP.uuid}:K:{EXPIRES}".encode()
    signature = openssl("dgst", "-sha256", "-sign", folder / "root.pem", stdin=text)
    assert not PublicKey((folder / "root.public").read_bytes()).is_valid(signature, text)
