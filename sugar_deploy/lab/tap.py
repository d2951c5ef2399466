"""Network devices whose other end is a file descriptor: cables for machines that QEMU runs."""

from __future__ import annotations

import fcntl
import os
import struct

from sugar_deploy.lab.relay import inside

_TUNSETIFF = 0x400454CA
_IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000
_IFF_VNET_HDR = 0x4000


def open_tap(name: str, namespace: str) -> int:
    """A new tap device NAME in the namespace's file NAMESPACE; it lasts as long as the descriptor."""
    with inside(namespace):
        descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        request = struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI | _IFF_VNET_HDR)
        fcntl.ioctl(descriptor, _TUNSETIFF, request)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor
