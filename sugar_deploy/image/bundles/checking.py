"""Every rule of the firmware's that a bundle breaks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.image.bundles.container import members
from sugar_deploy.image.bundles.contents import (
    hides_device_tree,
    kernel_faults,
    ramdisk_format,
    rom_faults,
    rom_model,
    rom_version,
)
from sugar_deploy.image.bundles.kinds import IMAGE, SIGNATURES, Content, Kind, Model, named
from sugar_deploy.image.bundles.signing import Key, check_signatures
from sugar_deploy.image.nand.script import check_script
from sugar_deploy.image.report import Report
from sugar_deploy.image.zd.checking import check_lines, data_name


def check_bundle(path: Path, keys: Sequence[Key] = ()) -> Report:
    """Check a bundle by what its name says that it is; KEYS are what the laptops trust. Raises UsageError."""
    meant = named(path.name)
    if meant is None:
        raise UsageError(
            f"{path}: is no name of a bundle", "The firmware looks for runosN.zip, bootfwN.zip, fsN.zip and the like"
        )
    kind, models = meant
    report = Report(facts={"contains": kind.content.value, "for": ", ".join(model.name for model in models)})
    found = members(path.read_bytes(), path.name, report)
    image = found.get(IMAGE)
    if image is None:
        if report.ok:
            report.errors.append(f"{path.name}: has no {IMAGE}")
        return report
    check_signatures(kind, image, found.get(SIGNATURES), keys, path.name, report)
    check_content(kind, models, image, path, report)
    return report


def check_content(kind: Kind, models: Sequence[Model], image: bytes, path: Path, report: Report) -> None:
    """A bundle's data.img; PATH is the bundle's, beside which a specification's data file lies."""
    where = f"{path.name}: {IMAGE}"
    if not image:
        report.errors.append(f"{where}: is empty")
    elif kind.content is Content.KERNEL:
        report.errors += [f"{where}: {fault}" for fault in kernel_faults(image, models)]
    elif kind.content is Content.RAMDISK:
        if not ramdisk_format(image):
            report.warnings.append(f"{where}: begins like no ramdisk that Linux knows")
        if hides_device_tree(image, models):
            report.warnings.append(f"{where}: has `$bootpath in` as OLPC's had: an XO-1.75 gives it no device tree")
    elif kind.content is Content.ROM:
        model = rom_model(image, models)
        report.errors += [f"{where}: {fault}" for fault in rom_faults(image, model)]
        report.facts["version"] = rom_version(image, model)
    elif kind.content is Content.SPECIFICATION:
        _check_specification(models, image, path, report)


def _check_specification(models: Sequence[Model], image: bytes, path: Path, report: Report) -> None:
    where = f"{path.name}: {IMAGE}"
    name = data_name(image)
    data = path.with_name(name) if name and Path(name).name == name else None
    if data is None:
        report.errors.append(f"{where}: has no line `data: NAME`, or NAME is not one in the same folder")
        return
    if not data.is_file():
        report.errors.append(f"{where}: its data file {name} is not beside it")
        return
    is_script = models[0].number == 0 and b"zblocks:" not in image
    checked = check_script(where, image, data) if is_script else check_lines(where, image, data)
    report.errors += checked.errors
    report.warnings += checked.warnings
