"""Carries connections between network namespaces. Standard library only: it also runs inside machines.

    relay.py LISTEN CONNECT [LISTEN CONNECT …]

LISTEN is NAMESPACE:tcp:ADDRESS:PORT or fd:NUMBER, CONNECT is NAMESPACE:tcp:ADDRESS:PORT or NAMESPACE:unix:PATH.
NAMESPACE is a file as /run/netns/NAME, or empty for the namespace that the relay was started in. A socket belongs
to the namespace in which it was made: that is the whole trick.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_CHUNK = 65536


def _enter(descriptor: int) -> None:
    if _libc.setns(descriptor, _CLONE_NEWNET) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """What is opened meanwhile belongs to the network namespace of this file."""
    home = os.open("/proc/self/ns/net", os.O_RDONLY)
    there = os.open(namespace, os.O_RDONLY)
    try:
        _enter(there)
        yield
    finally:
        _enter(home)
        os.close(there)
        os.close(home)


def socket_in(namespace: str, family: int) -> socket.socket:
    """A stream socket that belongs to NAMESPACE."""
    if not namespace:
        return socket.socket(family, socket.SOCK_STREAM)
    with inside(namespace):
        return socket.socket(family, socket.SOCK_STREAM)


def listening(where: str) -> socket.socket:
    """The listening socket that LISTEN describes."""
    if where.startswith("fd:"):
        return socket.socket(fileno=int(where[3:]))
    namespace, _, rest = where.partition(":")
    _tcp, address, port = rest.split(":")
    made = socket_in(namespace, socket.AF_INET)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind((address, int(port)))
    made.listen(64)
    return made


async def _connect(where: str) -> socket.socket:
    namespace, _, rest = where.partition(":")
    kind, _, target = rest.partition(":")
    made = socket_in(namespace, socket.AF_UNIX if kind == "unix" else socket.AF_INET)
    made.setblocking(False)
    address: object = target
    if kind == "tcp":
        host, _, port = target.rpartition(":")
        address = (host, int(port))
    try:
        await asyncio.get_running_loop().sock_connect(made, address)  # type: ignore[arg-type]
    except BaseException:
        made.close()
        raise
    return made


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()


async def _carry(near_reader: asyncio.StreamReader, near_writer: asyncio.StreamWriter, connect: str) -> None:
    try:
        far_reader, far_writer = await asyncio.open_connection(sock=await _connect(connect))
    except OSError:
        near_writer.close()
        return
    try:
        await asyncio.gather(_pump(near_reader, far_writer), _pump(far_reader, near_writer))
    finally:
        near_writer.close()
        far_writer.close()


async def relay(pairs: list[tuple[str, str]]) -> None:
    """Serve until killed."""
    servers = []
    for listen, connect in pairs:

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, to: str = connect) -> object:
            return _carry(reader, writer, to)

        servers.append(await asyncio.start_server(accept, sock=listening(listen)))  # type: ignore[arg-type]
    await asyncio.gather(*(server.serve_forever() for server in servers))


def argv(pairs: list[tuple[str, str]]) -> tuple[str, ...]:
    """The command that carries these pairs."""
    return (sys.executable, "-I", str(Path(__file__).resolve()), *(word for pair in pairs for word in pair))


if __name__ == "__main__":
    words = sys.argv[1:]
    asyncio.run(relay(list(zip(words[::2], words[1::2], strict=True))))
