"""`python3 - HOST SERIAL` on a laptop: five hundred ask for SERIAL's lease at once, while others stand in the way.

Prints as JSON how many of each kind got what they should.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections import Counter

HOST, SERIAL = sys.argv[1], sys.argv[2].encode()
PORT, LAPTOPS, SILENT, SECONDS = 191, 500, 60, 240
KINDS = ("half-closed", "left open", "a line", "byte by byte", "garbage")
GARBAGE = (b"\xff\x00" * 2000, b"GET / HTTP/1.0\r\n\r\n", b"SHC'; DROP\n", b"\n", b"rtcreset x y z\n")


async def ask(number: int) -> tuple[str, bool]:
    """The kind, and whether it got a lease, or as garbage nothing."""
    kind = KINDS[number % len(KINDS)]
    reader, writer = await asyncio.open_connection(HOST, PORT)
    found = b""
    with contextlib.suppress(ConnectionError):  # what is behind the most that is read
        if kind == "byte by byte":
            for byte in SERIAL:
                writer.write(bytes([byte]))
                await writer.drain()
                await asyncio.sleep(0.1)
        elif kind == "garbage":
            writer.write(GARBAGE[number // len(KINDS) % len(GARBAGE)])
        else:
            writer.write(SERIAL + (b"\r\n" if kind == "a line" else b""))
        if kind != "left open":
            writer.write_eof()
        found = await reader.read()
    writer.close()
    return kind, found == b"" if kind == "garbage" else found.startswith(b"act01: " + SERIAL + b" K ")


async def main() -> None:
    silent = [await asyncio.open_connection(HOST, PORT) for _ in range(SILENT)]
    for _reader, writer in silent[::2]:
        writer.write(SERIAL[:3])
    found = await asyncio.wait_for(asyncio.gather(*(ask(number) for number in range(LAPTOPS))), SECONDS)
    # They are hung up on, and get nothing.
    left = await asyncio.wait_for(asyncio.gather(*(reader.read() for reader, _writer in silent)), SECONDS)
    good = Counter(kind for kind, is_right in found if is_right)
    print(json.dumps({**good, "silent": left.count(b"")}))


asyncio.run(main())
