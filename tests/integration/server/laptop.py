"""A laptop as Sugar's Python 3 generation registers: the standard library's XML-RPC with an 8 s timeout."""

from __future__ import annotations

import base64
import http.client
import os
import socket
import struct
import xmlrpc.client
from typing import Any

TIMEOUT_SECONDS = 8


class _Transport(xmlrpc.client.Transport):
    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(host, timeout=TIMEOUT_SECONDS)


def register(url: str, *arguments: Any) -> dict[str, str]:
    """The server's answer; raises what Sugar shows as "Cannot connect to the server."."""
    return xmlrpc.client.ServerProxy(url + "/", _Transport()).register(*arguments)


def made_up_key() -> str:
    """A blob with the form of an RSA key, without the seconds that making a real one takes."""
    modulus = b"\0\xff" + os.urandom(126) + b"\x01"
    fields = (b"ssh-rsa", b"\x01\x00\x01", modulus)
    return base64.b64encode(b"".join(struct.pack(">I", len(field)) + field for field in fields)).decode()


def raw(address: tuple[str, int], data: bytes, seconds: float = 10) -> bytes:
    """Sends DATA as it is and reads until the server hangs up."""
    with socket.create_connection(address, timeout=seconds) as connection:
        connection.sendall(data)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer
