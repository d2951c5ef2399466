"""A USB stick's or SD card's folder as the firmware sees it: every name, and every file that it would open."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from olpc_security.lines import read_lines
from olpc_security.records import DEVELOPER_KEY, LEASE, RTC_RESET, parse
from olpc_security.rules import Refusal
from olpc_security.wrapper import START, read_wrapper

from sugar_deploy.errors import UsageError
from sugar_deploy.image.bundles.container import members
from sugar_deploy.image.bundles.contents import SCRIPT_STARTS
from sugar_deploy.image.bundles.kinds import IMAGE, MODELS, named
from sugar_deploy.image.bundles.signing import Key
from sugar_deploy.image.checking import check_file
from sugar_deploy.image.report import Report
from sugar_deploy.image.zd.checking import Sound, data_name

LARGEST_ON_FAT = (4 << 30) - 1
RECORDS = {"lease.sig": LEASE, "develop.sig": DEVELOPER_KEY, "rtcreset.sig": RTC_RESET}
"""What the firmware reads in `\\security`, and the first word of its lines."""

FOLDERS = ("", "boot", "boot-alt", "security")
OPENED = (".zd", ".zsp", ".img", ".crc", ".onu", ".uim", ".zip", ".fth", ".sig", ".pub")
"""Where the firmware looks, and the endings of what it opens there."""
_SHORT = re.compile(r"[^. ]{1,8}(\.[^. ]{1,3})?")


def check_stick(
    folder: Path, keys: Sequence[Key] = (), *, is_fat: bool = True, sound: Sound | None = None
) -> dict[Path, Report]:
    """A report for the folder, which is the medium's root, and for each file in it that the firmware would open.

    A file that is checked with another one, or of which only the name can be, has one only if there is a fault.

    KEYS are what the laptops trust, SOUND a `.zd`'s blocks that were checked before. IS_FAT: the medium will be FAT,
    where the firmware sees 8.3 names only. Raises UsageError where there is nothing for it at all.
    """
    files = {file: _place(file, folder) for file in sorted(folder.rglob("*")) if file.is_file()}
    files = {
        file: place
        for file, place in files.items()
        if place.rpartition("/")[0] in FOLDERS and file.suffix.lower() in OPENED
    }
    if not files:
        raise UsageError(f"{folder}: has nothing that a laptop's firmware would open", "Give the root of a stick")
    reports = {folder: _check_together(files)}
    covered = _covered(files)
    for file, place in files.items():
        report = None if place in covered else _check_one(file, place, keys, sound)
        faults = _fat_faults(file) if is_fat else []
        if report or faults:
            reports[file] = report or Report()
            reports[file].errors += faults
    return reports


def _place(file: Path, folder: Path) -> str:
    """Where a file is on the medium; the firmware does not mind capitals."""
    return file.relative_to(folder).as_posix().lower()


def _covered(files: dict[Path, str]) -> set[str]:
    """The places of data files that are checked with the specification or script that names them."""
    covered = {f"{place[:-3]}.zsp" for place in files.values() if place.endswith(".zd")}
    for file, place in files.items():
        if place in ("fs0.zip", "fs.zip"):
            image = members(file.read_bytes(), file.name, Report()).get(IMAGE, b"")
            covered.add(data_name(image).lower())
    return {place for place in covered if place.endswith((".zsp", ".img"))}


def _check_together(files: dict[Path, str]) -> Report:
    """What only shows in all the names at once."""
    report = Report()
    meant = {file: found for file in files if (found := named(file.name))}
    plain = [file.name for file, (_, models) in meant.items() if len(models) > 1]
    numbered = {models[0].name for _, models in meant.values() if len(models) == 1}
    for name in plain:
        text = f"{name}: has no model's number: firmware from before October 2012 takes it on every model"
        if len(numbered) > 1:
            report.errors.append(f"{text}, and this stick is for {', '.join(sorted(numbered))}")
        else:
            report.warnings.append(text)
    places = set(files.values())
    if "lease.sig" in places and "security/lease.sig" not in places:
        report.warnings.append("lease.sig: only the initramfs reads this one; the firmware looks in \\security")
    if "security/lease.sig" in places and "lease.sig" not in places:
        report.warnings.append(
            "security/lease.sig: only the firmware reads this one; the initramfs looks in the root"
        )
    if numbered:
        report.facts["models"] = ", ".join(model.name for model in MODELS if model.name in numbered)
    return report


def _check_one(file: Path, place: str, keys: Sequence[Key], sound: Sound | None) -> Report | None:
    report = Report()
    name = file.name.lower()
    at = place.rpartition("/")[0]
    found = named(name)
    if name in RECORDS:
        if at != "security" and not (name == "lease.sig" and at == ""):
            report.errors.append(f"{place}: the firmware looks for it in \\security")
        report.errors += [f"{place}: {fault}" for fault in _record_faults(file.read_bytes(), RECORDS[name], at)]
    elif place in ("boot/olpc.fth", "boot-alt/olpc.fth"):
        if not file.read_bytes().startswith(SCRIPT_STARTS[0]):
            report.errors.append(f"{place}: does not begin with a backslash and a space: it is not run")
    elif found and at.removesuffix("-alt") != found[0].folder:
        report.errors.append(f"{place}: the firmware looks for it in \\{found[0].folder}")
    elif at and name.endswith(".img"):
        return None  # A ramdisk, which `olpc.fth` names; what an XO-1 flashes lies in the root.
    elif file.suffix.lower() in (".zd", ".zsp", ".img", ".onu", ".zip"):
        try:
            return check_file(file, keys, sound)
        except UsageError as error:
            report.errors.append(error.message)
    else:
        return None
    return report


def _record_faults(data: bytes, word: str, folder: str) -> list[str]:
    """What ends the search in a file of leases, developer keys or clock resets."""
    try:
        if word == LEASE and folder == "" and data.startswith(START):
            read_wrapper(data)
            return []
        count = 0
        for count, line in read_lines(data):
            if not line.startswith(f"{word} "):
                return [f"line {count}: does not begin with {word}: the search ends there"]
            try:
                parse(line)
            except Refusal as refusal:
                raise refusal.on_line(count) from None
    except Refusal as refusal:
        return [str(refusal)]
    return [] if count else ["is empty"]


def _fat_faults(file: Path) -> list[str]:
    faults = []
    if not _SHORT.fullmatch(file.name):
        faults.append(f"{file.name}: is longer than 8 and 3 characters: on FAT the firmware does not see it")
    if file.stat().st_size > LARGEST_ON_FAT:
        faults.append(f"{file.name}: is over 4 GiB: FAT cannot hold it")
    return faults
