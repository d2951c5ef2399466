"""Any file that a laptop's firmware flashes or boots, checked by its kind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.image.bundles.checking import check_bundle
from sugar_deploy.image.bundles.signing import Key
from sugar_deploy.image.nand import checksums, jffs2
from sugar_deploy.image.nand.script import check_script
from sugar_deploy.image.report import Report
from sugar_deploy.image.zd.checking import Sound, check_image, check_spec, data_name


def check_file(file: Path, keys: Sequence[Key] = (), sound: Sound | None = None) -> Report:
    """Every rule of the firmware's that a file breaks, together with the file that belongs to it.

    KEYS are what the laptops trust, SOUND a `.zd`'s blocks that were checked before. Raises UsageError where its kind
    is not known, or its other half not there.
    """
    kind = file.suffix.lower()
    if kind == ".zip":
        return check_bundle(file, keys)
    if kind == ".zd":
        report, spec = check_image(file, sound), file.with_suffix(".zsp")
        if report.ok and spec.exists():
            report.errors += check_spec(spec, file).errors
        return report
    if kind == ".zsp":
        return check_spec(file, _beside(file, file.with_suffix(".zd").name))
    if kind == ".img":
        report = jffs2.check(file)
        report.errors = checksums.faults(file) + report.errors
        return report
    if kind == ".onu":
        content = file.read_bytes()
        return check_script(file.name, content, _beside(file, data_name(content)))
    raise UsageError(
        f"{file}: is no kind of image that is known", "Give a .zd, .zsp, .img, .onu, a bundle's .zip or a stick"
    )


def _beside(file: Path, name: str) -> Path:
    data = file.with_name(name) if name and Path(name).name == name else None
    if data is None or not data.is_file():
        raise UsageError(f"{file}: its data file {name} is not beside it", "Put both into one folder")
    return data
