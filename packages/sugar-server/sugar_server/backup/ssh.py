# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH as laptops speak it, from OpenSSH 5 on an XO to today's: keys only, and nothing but what transfer.py reads.

It is a service of its own: the old algorithms that it needs are not let into the administrator's sshd.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from sugar_server.backup import transfer
from sugar_server.backup.homes import Homes
from sugar_server.backup.registered import Registered, Registrations
from sugar_server.backup.session import Failed, Session
from sugar_server.backup.settings import BackupSettings
from sugar_server.database import UnusableDatabase
from sugar_server.registration import keys

with warnings.catch_warnings():
    # It loads old ciphers, whether they are used or not.
    warnings.simplefilter("ignore")
    import asyncssh

_log = logging.getLogger(__name__)
# It would write whatever anybody sends into the journal, as it is.
logging.getLogger("asyncssh").setLevel(logging.ERROR)
_MODERN_KEYS = ("ssh-ed25519",)
"""What may read its own snapshots. ds-backup never reads, so the old keys of its laptops, which others could break,
give nothing away."""
_KEX = (
    *("curve25519-sha256", "curve25519-sha256@libssh.org", "ecdh-sha2-nistp256", "ecdh-sha2-nistp384"),
    *("ecdh-sha2-nistp521", "diffie-hellman-group16-sha512", "diffie-hellman-group14-sha256"),
    *("diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha1"),
)
_CIPHERS = (
    *("chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-gcm@openssh.com"),
    *("aes256-ctr", "aes192-ctr", "aes128-ctr", "aes256-cbc", "aes128-cbc"),
)
_MACS = (
    *("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512"),
    "hmac-sha1",
)
_SIGNATURES = (
    *("ssh-ed25519", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    *("rsa-sha2-256", "rsa-sha2-512", "ssh-rsa", "ssh-dss"),
)
_NOTHING_ELSE = {
    "config": None,
    "encoding": None,
    "password_auth": False,
    "kbdint_auth": False,
    "host_based_auth": False,
    "gss_host": None,
    "allow_pty": False,
    "line_editor": False,
    "allow_scp": False,
    "sftp_factory": None,
    "x11_forwarding": False,
    "agent_forwarding": False,
}
_HOST_KEYS: tuple[tuple[str, str, dict[str, int]], ...] = (
    ("ed25519", "ssh-ed25519", {}),
    ("rsa", "ssh-rsa", {"key_size": 3072}),
    ("ecdsa", "ecdsa-sha2-nistp256", {}),
)
_SECONDS_TO_LOG_IN = 30
_SECONDS_OF_SILENCE = 30
_SECONDS_TO_WAIT = 100
"""For a place: less than ds-backup's patience of 160 s."""
_FAILURE = 1


def host_keys(folder: Path) -> list[Any]:
    """The service's own keys, made at its first start: RSA for OpenSSH before 5.7, which knows nothing newer."""
    folder.mkdir(mode=0o700, exist_ok=True)
    keys = []
    for name, kind, size in _HOST_KEYS:
        path = folder / f"ssh_host_{name}_key"
        if not path.exists():
            key = asyncssh.generate_private_key(kind, comment="sugar-server", **size)
            _write(path.with_name(path.name + ".pub"), key.export_public_key(), 0o644)
            _write(path, key.export_private_key(), 0o600)
        keys.append(asyncssh.read_private_key(str(path)))
    return keys


def _write(path: Path, content: bytes, mode: int) -> None:
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:  # noqa: PTH123 (a descriptor)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


@dataclass
class Service:
    """What the connections share."""

    homes: Homes
    registrations: Registrations
    settings: BackupSettings
    host_keys: list[Any]
    sessions: set[asyncio.Task[int]] = field(default_factory=set)
    logging_in: dict[_Connection, None] = field(default_factory=dict)
    """Connections that have not shown a key yet, the oldest first."""
    logged_in: int = 0

    @property
    def most_connections(self) -> int:
        """Of each kind: those that have just been told that the server is busy come on top of the sessions."""
        return 4 * self.settings.most_sessions

    def __post_init__(self) -> None:
        self._places = asyncio.Semaphore(self.settings.most_sessions)

    async def listen(self, listening: socket.socket) -> asyncio.AbstractServer:
        """Serves on a socket until what is returned is closed."""
        loop = asyncio.get_running_loop()
        options = asyncssh.SSHServerConnectionOptions(
            server_factory=lambda: _Connection(self),
            process_factory=self._serve,
            server_host_keys=self.host_keys,
            kex_algs=_KEX,
            encryption_algs=_CIPHERS,
            mac_algs=_MACS,
            compression_algs=["none"],
            signature_algs=_SIGNATURES,
            login_timeout=_SECONDS_TO_LOG_IN,
            keepalive_interval=_SECONDS_OF_SILENCE,
            keepalive_count_max=3,
            server_version="sugar-server",
            **_NOTHING_ELSE,
        )
        # asyncssh.listen takes a socket that is open already only since 2.11.
        return await loop.create_server(lambda: asyncssh.SSHServerConnection(loop, options), sock=listening)

    async def _serve(self, process: Any) -> None:
        """One session of one connection."""
        laptop: Registered = process.get_extra_info("laptop")
        streams = _Streams(process)
        try:
            request = self._request(process, laptop)
            session = Session(self.homes, self.settings, laptop.identity, process.get_extra_info("username"))
            # A task of its own: it comes to its own end, in its home, also when the connection is lost.
            task = asyncio.get_running_loop().create_task(self._in_turn(session, request, streams))
            self.sessions.add(task)
            task.add_done_callback(self.sessions.discard)
            status = await asyncio.shield(task)
        except (Failed, transfer.Refused) as error:
            _log.warning("Refused to %s: %s.", laptop.serial, ascii(str(error))[1:-1])
            streams.write_error(f"school server: {error}\n".encode())
            status = _FAILURE
        except Exception:
            _log.exception("The session of %s failed.", laptop.serial)
            status = _FAILURE
        process.exit(status)

    async def _in_turn(self, session: Session, request: transfer.Request, streams: _Streams) -> int:
        """Moves a Journal when there is a place for it. The rest is short, and ds-backup is in a hurry with it."""
        if isinstance(request, (transfer.Completion, transfer.Listing)):
            return await session.do(request, streams)
        try:
            await asyncio.wait_for(self._places.acquire(), _SECONDS_TO_WAIT)
        except asyncio.TimeoutError:
            raise Failed("the server is busy; try again later") from None
        try:
            return await session.do(request, streams)
        finally:
            self._places.release()

    def _request(self, process: Any, laptop: Registered) -> transfer.Request:
        if process.subsystem or process.command is None:
            raise transfer.Refused("only backups are served, no shell and no sftp")
        request = transfer.parse(process.command, process.get_extra_info("username"))
        reads = isinstance(request, (transfer.Download, transfer.Listing))
        if reads and process.get_extra_info("key_type") not in _MODERN_KEYS:
            raise transfer.Refused(
                f"this key may only bring backups; restoring takes one of {', '.join(_MODERN_KEYS)}"
            )
        return request


class _Connection(asyncssh.SSHServer):  # type: ignore[misc,unused-ignore]
    """Lets registered laptops in. What asyncssh asks for besides (forwarding and so on) is refused by default."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._connection: Any = None
        self._is_logged_in = False

    def connection_made(self, conn: Any) -> None:
        self._connection = conn
        self._service.logging_in[self] = None
        # Who connects and says nothing keeps nobody out: the oldest goes, as whoever means it is done by then.
        if len(self._service.logging_in) > self._service.most_connections:
            next(iter(self._service.logging_in)).give_up()

    def give_up(self) -> None:
        """Ends the connection at once."""
        self._service.logging_in.pop(self, None)
        self._connection.abort()

    def auth_completed(self) -> None:
        self._service.logging_in.pop(self, None)
        self._is_logged_in = True
        self._service.logged_in += 1
        if self._service.logged_in > self._service.most_connections:
            self._connection.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._service.logging_in.pop(self, None)
        self._service.logged_in -= self._is_logged_in

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    async def validate_public_key(self, username: str, key: Any) -> bool:
        """True if the key is registered with this serial, or linked to one that is."""
        shown = keys.PublicKey(key.get_algorithm(), key.public_data)
        try:
            # In a thread: the database may be slow, or away.
            read = self._service.registrations.with_serial
            laptops = await asyncio.get_running_loop().run_in_executor(None, read, username)
        except UnusableDatabase as error:
            _log.error("%s", error)
            return False
        for laptop in laptops:
            if shown.fingerprint in laptop.keys:
                self._connection.set_extra_info(laptop=laptop, key_type=shown.type)
                return True
        _log.warning("No laptop is registered as %.60s with the key %s.", ascii(username), shown.fingerprint)
        return False


class _Streams:
    """A session's input and output. Once the laptop is gone there is no more input, and output is an OSError."""

    def __init__(self, process: Any) -> None:
        self._process = process

    async def read(self, most: int) -> bytes:
        try:
            return bytes(await self._process.stdin.read(most))
        except (OSError, asyncssh.Error, asyncssh.BreakReceived, asyncssh.SignalReceived):
            return b""

    def write(self, data: bytes) -> None:
        self._guard(lambda: self._process.stdout.write(data))

    def write_error(self, data: bytes) -> None:
        self._guard(lambda: self._process.stderr.write(data))

    async def drain(self) -> None:
        try:
            await self._process.stdout.drain()
        except (asyncssh.Error, asyncssh.BreakReceived, asyncssh.SignalReceived) as error:
            raise ConnectionResetError from error

    def _guard(self, write: Callable[[], object]) -> None:
        try:
            write()
        except asyncssh.Error as error:
            raise ConnectionResetError from error
