"""Whether the server's clock can be right, and setting it forward where a battery is dead."""

from __future__ import annotations

import base64
import binascii
import contextlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime

from sugar_deploy.errors import DeployError

_SIGNATURE_TAG = 2
_CREATION = 2


class WrongClock(DeployError):
    """The clock shows a time before the bundle was made."""


def signed_at(armoured: str) -> datetime | None:
    """When a detached signature says that it was made (RFC 9580, version 4); None where it does not.

    The newest of several. It is not proved: it only tells what time it must be at least for the proof to succeed.
    """
    try:
        body = armoured.split("-----BEGIN PGP SIGNATURE-----", 1)[1].split("-----END", 1)[0]
        lines = body.replace("\r", "").split("\n\n", 1)[1].splitlines()
        data = base64.b64decode("".join(line for line in lines if not line.startswith("=")))
        times = [found for packet in _packets(data) if (found := _creation(packet)) is not None]
        return datetime.fromtimestamp(max(times), UTC) if times else None
    except (IndexError, ValueError, binascii.Error):
        return None


def _packets(data: bytes) -> Iterator[bytes]:
    """The bodies of the signature packets."""
    at = 0
    while at < len(data):
        head, at = data[at], at + 1
        if head & 0x40:
            size, at = _new_length(data, at)
        else:
            width = 1 << (head & 3)
            size, at = int.from_bytes(data[at : at + width]), at + width
        tag = head & 0x3F if head & 0x40 else (head >> 2) & 0xF
        if tag == _SIGNATURE_TAG:
            yield data[at : at + size]
        at += size


def _new_length(data: bytes, at: int) -> tuple[int, int]:
    first = data[at]
    if first < 192:
        return first, at + 1
    if first < 224:
        return ((first - 192) << 8) + data[at + 1] + 192, at + 2
    return int.from_bytes(data[at + 1 : at + 5]), at + 5


def _creation(packet: bytes) -> int | None:
    """The creation time among the hashed subpackets."""
    if packet[0] != 4:
        return None
    at, end = 6, 6 + int.from_bytes(packet[4:6])
    while at < end:
        size, at = _new_length(packet, at)
        if packet[at] & 0x7F == _CREATION:
            return int.from_bytes(packet[at + 1 : at + 5])
        at += size
    return None


def require_time(now: datetime, least: datetime, command: str) -> None:
    """Raise WrongClock if it is earlier than it can be."""
    if now >= least:
        return
    raise WrongClock(
        f"this server's clock shows {now:%Y-%m-%d %H:%M} UTC, but the bundle was made on {least:%Y-%m-%d %H:%M} UTC",
        f"Set it: date -u -s '{least:%Y-%m-%d %H:%M}' with today's date and time in it; or {command} --set-clock "
        "sets it to the bundle's time. A clock that starts in the past each time needs a new battery",
    )


@contextlib.contextmanager
def set_forward(least: datetime) -> Iterator[None]:
    """Set the clock to a time, never back; if the block fails, it goes on as it was before."""
    before, started = time.time(), time.monotonic()
    target = least.timestamp() + 1
    if before >= least.timestamp():
        yield
        return
    _set(target)
    try:
        yield
    except BaseException:
        _set(before + time.monotonic() - started)
        raise
    _keep()


def _set(seconds: float) -> None:
    try:
        time.clock_settime(time.CLOCK_REALTIME, seconds)
    except OSError as error:
        raise DeployError(
            f"the clock cannot be set: {error.strerror}", "Set it where it is kept: on the host of this container"
        ) from error


def _keep() -> None:
    """Tell the hardware's clock, where there is one."""
    if shutil.which("hwclock"):
        subprocess.run(["hwclock", "--systohc", "--utc"], capture_output=True, check=False)
