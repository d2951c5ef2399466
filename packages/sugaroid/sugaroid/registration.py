# SPDX-License-Identifier: GPL-3.0-or-later
"""Registers with a school server exactly as Sugar does: XML-RPC, four strings, POST /, 8 seconds."""

from __future__ import annotations

import http.client
import socket
import xmlrpc.client
from dataclasses import dataclass
from typing import Any
from xml.parsers.expat import ExpatError

from sugaroid.background import in_background
from sugaroid.errors import CannotConnect, MalformedReply, RegistrationRefused, reason
from sugaroid.profile import Hardware, Profile

PORT = 8080
TIMEOUT_SECONDS = 8.0
# Sugar's time is per connect and read; a server that drips could hold it for ever, but not us.
DEADLINE_SECONDS = 20.0


@dataclass(frozen=True)
class Registered:
    """What Sugar stores of the reply."""

    jabberserver: str
    backupurl: str

    @property
    def backup_host(self) -> str:
        """The host that ds-backup takes from the URL: behind an optional `user@`, up to the first colon."""
        return self.backupurl.split("@", 1)[-1].split(":", 1)[0]


class _Transport(xmlrpc.client.Transport):
    """Python's own XML-RPC transport with Sugar's timeout; may dial an address other than the host's."""

    def __init__(self, address: str | None) -> None:
        super().__init__()
        self._address = address

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(str(host), timeout=TIMEOUT_SECONDS)
        if self._address is not None:
            dial = self._address

            def create(address: Any, *arguments: Any, **options: Any) -> socket.socket:
                return socket.create_connection((dial, address[1]), *arguments, **options)

            connection._create_connection = create  # type: ignore[attr-defined]
        return connection


def register_now(
    profile: Profile, server: str, hardware: Hardware, *, address: str | None = None, port: int = PORT
) -> Registered:
    """Register, blocking; raises what Sugar's user would see (CannotConnect, RegistrationRefused, MalformedReply)."""
    name = f"[{server}]" if ":" in server else server
    proxy = xmlrpc.client.ServerProxy(f"http://{name}:{port}/", transport=_Transport(address))
    try:
        reply = proxy.register(hardware.serial, profile.nick, hardware.uuid, profile.pubkey)
    except (OSError, http.client.HTTPException, xmlrpc.client.Error, ExpatError, TypeError, ValueError) as error:
        raise CannotConnect(f"no answer to use from {server}:{port}: {_describe(error)}") from error
    except Exception as error:  # xmlrpc.client raises whatever its readers raise on rubbish
        raise CannotConnect(f"{server}:{port} answered rubbish: {_describe(error)}") from error
    return read_reply(reply)


def read_reply(reply: Any) -> Registered:
    """What Sugar makes of the reply's one value."""
    if not isinstance(reply, dict) or "success" not in reply:
        raise MalformedReply("the reply is no struct with `success`")
    if reply["success"] != "OK":
        if "error" not in reply:
            raise MalformedReply("the refusal has no `error`")
        raise RegistrationRefused(str(reply["error"]))
    for name in ("jabberserver", "backupurl"):
        if not isinstance(reply.get(name), str):
            raise MalformedReply(f"the reply has no string `{name}`")
    return Registered(reply["jabberserver"], reply["backupurl"])


async def register(
    profile: Profile, server: str, hardware: Hardware, *, address: str | None = None, port: int = PORT
) -> Registered:
    """Register without blocking the event loop."""
    try:
        return await in_background(
            lambda: register_now(profile, server, hardware, address=address, port=port), DEADLINE_SECONDS
        )
    except TimeoutError as error:
        raise CannotConnect(f"no whole answer from {server}:{port} in {DEADLINE_SECONDS:.0f} s") from error


def _describe(error: BaseException) -> str:
    if isinstance(error, xmlrpc.client.Fault):
        return f"a fault, {error.faultString}"
    if isinstance(error, xmlrpc.client.ProtocolError):
        return f"HTTP status {error.errcode}"
    if isinstance(error, socket.timeout):
        return f"nothing within {TIMEOUT_SECONDS:.0f} s"
    return reason(error)
