"""Our own client, as far as it registers: JSON over HTTP, with keys that OpenSSL makes and signs with."""

from __future__ import annotations

import base64
import http.client
import json
import struct
import subprocess
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa


class Key:
    """A key pair of OpenSSL's."""

    def __init__(self, folder: Path, kind: str, name: str) -> None:
        self.path, self.kind = folder / f"{name}.pem", kind
        if kind == "dsa":
            options = ["-genparam", "-algorithm", "DSA", "-pkeyopt", "dsa_paramgen_bits:1024"]
            parameters = folder / f"{name}.parameters"
            self._openssl("genpkey", *options, "-pkeyopt", "dsa_paramgen_q_bits:160", "-out", parameters)
            self._openssl("genpkey", "-paramfile", parameters, "-out", self.path)
        else:
            self._openssl("genpkey", "-algorithm", kind, "-out", self.path)
        self.line = self._line()
        self.blob = self.line.split()[1]

    def _openssl(self, *words: object) -> bytes:
        return subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True).stdout

    def _line(self) -> str:
        public = serialization.load_pem_private_key(self.path.read_bytes(), None).public_key()
        if isinstance(public, dsa.DSAPublicKey):  # newer libraries no longer write these
            numbers = public.public_numbers()
            group = numbers.parameter_numbers
            integers = [n.to_bytes(n.bit_length() // 8 + 1, "big") for n in (group.p, group.q, group.g, numbers.y)]
            blob = b"".join(struct.pack(">I", len(field)) + field for field in (b"ssh-dss", *integers))
            return f"ssh-dss {base64.b64encode(blob).decode()}"
        return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()

    def sign(self, text: bytes) -> str:
        path = self.path.with_suffix(".text")
        path.write_bytes(text)
        if self.kind == "ed25519":
            raw = self._openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", path)
        else:
            raw = self._openssl("dgst", "-sha256", "-sign", self.path, path)
        return base64.b64encode(raw).decode()


def ask(server: Any, method: str, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, Any]]:
    """The status and the object that comes back; bytes are sent as they are."""
    connection = http.client.HTTPConnection(*server.address, timeout=10)
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
    connection.request(method, path, data, {"Content-Type": "application/json", **headers})
    answer = connection.getresponse()
    assert answer.headers.get_content_type() == "application/json"
    sent = json.loads(answer.read() or b"{}")
    connection.close()
    return answer.status, sent


def register(server: Any, key: str, serial: str = "SHC00700123", **more: object) -> dict[str, Any]:
    body = {"nickname": "Ñusta", "machine_sn": serial, "machine_uuid": "", "pubkey": key, **more}
    status, answer = ask(server, "POST", "/client/register", body)
    assert status == 200
    return answer


def proof(server: Any, owner: Key, client: Key) -> dict[str, str]:
    """What links the client's key with the owner's."""
    nonce = ask(server, "GET", "/client/nonce")[1]["nonce"]
    text = f"sugar-server-link-1\n{nonce}\n{client.line}\n".encode()
    return {
        "owner_pubkey": owner.line,
        "owner_signature": owner.sign(text),
        "signature": client.sign(text),
        "nonce": nonce,
    }
