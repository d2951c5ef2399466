"""A stick that activates laptops: both copies of their leases, where the firmware and where the initramfs look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from olpc_security.lines import write_files
from olpc_security.records import LEASE, Timed
from olpc_security.rules import Refusal
from olpc_security.wrapper import write_wrapper

from sugar_deploy.errors import UsageError
from sugar_deploy.files import write_on_media

FAT_FILE_BYTES = 2**32 - 1
FIRMWARE, DEVELOPER, INITRAMFS = "security/lease.sig", "security/develop.sig", "lease.sig"


def write_stick(records: Sequence[Timed], out: Path) -> tuple[Path, ...]:
    """Write leases, or developer keys, into a stick's root; raises UsageError where no laptop could read them."""
    words = {record.word for record in records}
    if len(words) != 1:
        raise UsageError("leases and developer keys are not for one file", "Make a stick of each")
    try:
        written = write_files(record.line for record in records)
        files = {FIRMWARE if words == {LEASE} else DEVELOPER: written.files[0]}
        if words == {LEASE}:
            files[INITRAMFS] = write_wrapper(records)
    except Refusal as refusal:
        raise UsageError(f"no laptop could read these: {refusal.what}", refusal.rule.words) from None
    if written.warning:
        raise UsageError(
            f"one stick cannot hold these: they take {len(written.files)} files",
            "Make a stick for each delegated lease",
        )
    if too_big := [name for name, content in files.items() if len(content) > FAT_FILE_BYTES]:
        raise UsageError(f"{too_big[0]} would be larger than FAT allows", "Make several sticks")
    for name, content in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        write_on_media(out / name, content, 0o644)
    return tuple(out / name for name in files)
