"""Why a device must not be overwritten: pure rules over what lsblk says of it."""

from __future__ import annotations

from collections.abc import Iterator

from sugar_deploy.errors import UsageError
from sugar_deploy.image.flash.devices import Device, decimal

LARGEST = 64 * 2**30
"""Bytes: sticks and cards for laptops are not larger; disks with somebody's work are."""
_SYSTEM = frozenset({"/", "/boot", "/boot/efi", "/efi", "/usr", "/var", "/home", "[SWAP]"})
_REMEDY = "Nothing was written. Name another device; `lsblk` lists them"


def require_safe(device: Device, needed: int, largest: int = LARGEST) -> None:
    """Raise UsageError with every reason against writing an image of NEEDED bytes onto the device."""
    # Nobody is told how to get round its size while something else is against it.
    if faults := [*_never(device), *_in_use(device)] or [*_no_fit(device, needed, largest)]:
        raise UsageError("\n".join(f"{device.path}: {fault}" for fault in faults), _REMEDY)


def _never(device: Device) -> Iterator[str]:
    """What it is, whatever is on it."""
    if device.kind != "disk":
        whole = f": the whole device is {device.parent}" if device.kind == "part" else ""
        yield f"is not a disk but what lsblk calls {device.kind}{whole}"
    elif device.card == "MMC":
        yield "is storage that is soldered in, not a card"
    elif not (device.is_removable or device.transport == "usb" or device.card == "SD"):
        how = f" ({device.transport})" if device.transport else ""
        yield f"{device.title} is neither removable nor on USB{how}"
    if device.is_read_only:
        yield "is write-protected: some sticks and cards have a switch for it"


def _in_use(device: Device) -> Iterator[str]:
    """What is on it, and who holds that."""
    for part in device.parts:
        name = "it" if part.path == device.path else part.path
        if used := [mount for mount in part.mounts if mount in _SYSTEM]:
            yield f"{name} is in use by this system, at {', '.join(used)}"
        elif part.mounts:
            yield f"{name} is mounted at {', '.join(part.mounts)}: unmount it first"
        if part.kind not in {device.kind, "part"}:
            yield f"{part.path} ({part.kind}) is made of it"
        if part.content in {"swap", "bcache"} or part.content.endswith("_member"):
            yield f"{name} holds {part.content}; if nobody needs it: wipefs --all {part.path}"


def _no_fit(device: Device, needed: int, largest: int) -> Iterator[str]:
    if device.size == 0:
        yield "there is no medium in it"
    elif needed > device.size:
        yield f"has {device.size} bytes, and the image takes {needed}"
    elif needed % device.sector:
        yield f"has sectors of {device.sector} bytes, and the image is no multiple of them"
    if device.size > largest:
        yield f"{decimal(device.size)} is more than {decimal(largest)}: if that is right, say --largest"
