"""What the firmware demands of a data.img, by kind."""

from __future__ import annotations

import gzip
import io
import re
import zlib
from collections.abc import Sequence

from sugar_deploy.image.bundles.kinds import Model

SCRIPT_STARTS = (b"\\ ", b"purpose: ", b"id: ")
_ERASED = b"\xff"
_MANUFACTURING_DATA_BYTES = 0x10000
_VERSION = re.compile(rb"Q[0-9A-Z]{4}[0-9A-Z ]")
_OLD_TREE, _OLD_TREE_MODEL = b"$bootpath in\n\t\t/sd@", 2
_PART = 1 << 20
_RAMDISKS = {
    b"\x1f\x8b\x08": "gzip",
    b"070701": "cpio",
    b"070702": "cpio",
    b"\xfd7zXZ\x00": "xz",
    b"BZh": "bzip2",
    b"\x5d\x00\x00": "lzma",
    b"\x89LZO": "lzo",
    b"\x02\x21\x4c\x18": "lz4",
    b"\x28\xb5\x2f\xfd": "zstd",
}


def kernel_faults(image: bytes, models: Sequence[Model]) -> list[str]:
    """What makes one of the models unable to start a kernel; a Forth script is as good."""
    if image.startswith(SCRIPT_STARTS):
        return []
    is_x86 = image[0x202:0x206] == b"HdrS" or image.startswith(b"\x7fELF")
    is_arm = image[0x24:0x28] == (0x016F2818).to_bytes(4, "little")
    if any(is_arm if model.is_arm else is_x86 for model in models):
        return []
    wanted = " or ".join(sorted({"an ARM zImage" if model.is_arm else "an x86 bzImage" for model in models}))
    return [f"is not {wanted}, and no Forth script: {'/'.join(model.name for model in models)} cannot start it"]


def ramdisk_format(image: bytes) -> str:
    """How a ramdisk is packed; empty if that is not known."""
    return next((name for magic, name in _RAMDISKS.items() if image.startswith(magic)), "")


def hides_device_tree(image: bytes, models: Sequence[Model]) -> bool:
    """Whether an XO-1.75 starts a ramdisk's kernel without a device tree, as kernels of its first years want it.

    The firmware (cpu/arm/olpc/1.75/dtcompat.fth) goes by words of OLPC's own scripts, as it finds them in the
    ramdisk or, where gzip packed it, in what it unpacks.
    """
    if all(model.number != _OLD_TREE_MODEL for model in models):
        return False
    plain = gzip.GzipFile(fileobj=io.BytesIO(image)) if image.startswith(b"\x1f\x8b\x08") else io.BytesIO(image)
    before = b""
    try:
        while part := plain.read(_PART):
            if _OLD_TREE in before + part:
                return True
            before = part[-len(_OLD_TREE) :]
    except (OSError, EOFError, zlib.error):
        return False
    return False


def rom_model(image: bytes, models: Sequence[Model]) -> Model:
    """The model whose ROM image this is by its version, or else the first one."""
    fitting = (model for model in models if image[model.version_at + 6 :].startswith(model.firmware))
    return next(fitting, models[0])


def rom_faults(image: bytes, model: Model) -> list[str]:
    """What makes the firmware refuse a ROM image; one of a wrong length makes it switch the laptop off."""
    if len(image) != model.rom_bytes:
        return [
            f"has {len(image)} bytes, the ROM of {model.name} {model.rom_bytes}: "
            f"with this bundle the laptop switches itself off at each start (Invalid Firmware image)"
        ]
    faults = []
    words = image[model.version_at : model.version_at + 16]
    if not words.startswith(model.machine):
        faults.append(f"is for the machine {words[:3]!r}, not {model.machine.decode()} as {model.name}")
    if not words[6:].startswith(model.firmware) or not _VERSION.match(words[6:]):
        faults.append(f"has the version {words[6:12]!r}, {model.name}'s begin with {model.firmware.decode()}")
    if image[model.crc_at : model.crc_at + 4] != rom_crc(image, model):
        faults.append(f"its CRC at {model.crc_at:#x} is not {rom_crc(image, model).hex()}")
    data = image[model.manufacturing_data_at :][:_MANUFACTURING_DATA_BYTES]
    if data.strip(_ERASED):
        faults.append(f"the block of manufacturing data at {model.manufacturing_data_at:#x} is not all 0xff")
    return faults


def rom_version(image: bytes, model: Model) -> str:
    """The version in a ROM image, as `Q3C17`."""
    return image[model.version_at + 6 : model.version_at + 12].decode("latin-1").strip()


def rom_number(image: bytes, model: Model) -> int:
    """By which the firmware orders versions: the five characters behind the Q as a number to the base 36."""
    return int(image[model.version_at + 7 : model.version_at + 12].replace(b" ", b"0"), 36)


def rom_crc(image: bytes, model: Model) -> bytes:
    """The CRC word: zlib's polynomial, begun at 0, not inverted at the end, over the ROM with that word all ones."""
    blanked = image[: model.crc_at] + _ERASED * 4 + image[model.crc_at + 4 :]
    return (zlib.crc32(blanked, 0xFFFFFFFF) ^ 0xFFFFFFFF).to_bytes(4, "little")
