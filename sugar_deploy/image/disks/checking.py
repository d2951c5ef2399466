"""Every rule of the firmware's that a whole disk or stick breaks: its table, its file system, and what is in that."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.image.bundles.signing import Key
from sugar_deploy.image.disks.filesystem import Place, extract, faults, kind_of
from sugar_deploy.image.disks.table import first_sector, is_gpt, partitions, read_by_firmware
from sugar_deploy.image.report import Report
from sugar_deploy.image.stick import check_stick
from sugar_deploy.image.zd.reading import chunks, expanded, header

STARTS = "starts from"
"""What a report says of the partition that the firmware reads."""


def is_disk(image: Path) -> bool:
    """Whether a file is a whole disk's, and not what raw NAND holds."""
    return bool(partitions(first_sector(image))) or kind_of(Place(image, 0)).startswith("FAT")


def check_disk(image: Path, keys: Sequence[Key] = ()) -> Report:
    """A whole disk's or stick's image. KEYS are what the laptops trust."""
    report = Report()
    table = partitions(first_sector(image))
    one = read_by_firmware(table)
    if is_gpt(table):
        report.errors.append(f"{image.name}: has a GPT: the firmware wants a table of the older kind, an MBR")
    elif table and one is None:
        report.errors.append(
            f"{image.name}: no partition that the firmware reads: it wants FAT or ext2, in the active one"
        )
    elif one and one.start + one.size > image.stat().st_size:
        report.errors.append(f"{image.name}: partition {one.number} goes beyond its end: it is cut off")
    else:
        where = f"partition {one.number}" if one else "the whole of it"
        _check_filesystem(Place(image, one.start if one else 0), f"{image.name}: {where}", report, keys)
    return report


def check_started(image: Path, keys: Sequence[Key], report: Report) -> None:
    """Add what is wrong with the partition from which the disk in a sound `.zd` starts, if it has one."""
    table = partitions(first_sector(image))
    one = read_by_firmware(table)
    with image.open("rb") as file:
        head = header(file, image.name)
        end = one.start + one.size if one else 0
        if one is None or end > head.count * head.block_size:
            report.facts[STARTS] = "nothing: no partition that the firmware reads is in it"
            return
        with tempfile.TemporaryDirectory() as work:
            disk = Path(work) / "disk"
            with disk.open("wb") as out:
                out.truncate(end)
                for chunk in chunks(file, image.name, before=-(-end // head.block_size)):
                    at = chunk.line.index * head.block_size
                    if any(plain := expanded(chunk, head.block_size, image.name)):
                        out.seek(at)
                        out.write(plain)
            report.facts[STARTS] = f"partition {one.number}"
            _check_filesystem(Place(disk, one.start), f"{image.name}: partition {one.number}", report, keys)


def _check_filesystem(place: Place, where: str, report: Report, keys: Sequence[Key]) -> None:
    kind = kind_of(place)
    if not kind:
        report.errors.append(f"{where}: is no FAT and no ext2, ext3 or ext4: the firmware reads no other")
        return
    report.facts["file system"] = kind
    errors, warnings = faults(place, kind)
    report.errors += [f"{where}: {one}" for one in errors]
    report.warnings += [f"{where}: {one}" for one in warnings]
    if errors:
        return
    with tempfile.TemporaryDirectory() as work:
        root = Path(work)
        extract(place, kind, root)
        try:
            found = check_stick(root, keys, is_fat=kind != "ext")
        except UsageError:
            report.errors.append(f"{where}: has nothing that a laptop's firmware would open")
            return
        for one in found.values():
            # Nobody knows the folder into which it was copied.
            report.errors += [f"{where}: {error.replace(f'{root}/', '')}" for error in one.errors]
            report.warnings += [f"{where}: {warning}" for warning in one.warnings]
            report.facts.update(one.facts if "models" in one.facts else {})
