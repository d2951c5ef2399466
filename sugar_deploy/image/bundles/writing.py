"""Writes bundles as the firmware demands them: the same input gives the same bytes, but for the signature's salt."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.files import write_atomically
from sugar_deploy.image.bundles.checking import check_content
from sugar_deploy.image.bundles.kinds import IMAGE, SIGNATURES, Kind, Model, named
from sugar_deploy.image.bundles.signing import Key, check_signatures
from sugar_deploy.image.report import Report


def meant_by(target: Path) -> tuple[Kind, Model]:
    """The kind and the model of the bundle that a file is to be, by its name. Raises UsageError."""
    meant = named(target.name)
    if meant is None or len(meant[1]) != 1 or target.name != target.name.lower():
        raise UsageError(
            f"{target}: is no name of one model's bundle",
            "Name it as runos1.zip, with the number of the model: 0 XO-1, 1 XO-1.5, 2 XO-1.75, 4 XO-4",
        )
    kind, (model,) = meant
    return kind, model


def write_bundle(target: Path, image: bytes, data_sig: bytes | None, keys: Sequence[Key] = ()) -> None:
    """Write a bundle of IMAGE, whole or not at all; without signatures it is for unlocked laptops.

    KEYS, if given, must have signed it. A specification's data file must lie beside it. Raises UsageError where the
    firmware would refuse it: a wrong bootfw makes it switch the laptop off.
    """
    kind, model = meant_by(target)
    report = Report()
    check_signatures(kind, image, data_sig, keys, target.name, report)
    check_content(kind, (model,), image, target, report)
    if not report.ok:
        raise UsageError("\n".join(report.errors), "Nothing was written")
    signatures = {} if data_sig is None else {SIGNATURES: data_sig}
    content = packed({**signatures, IMAGE: image})
    write_atomically(target, content, 0o644)


def packed(members: Mapping[str, bytes]) -> bytes:
    """A zip of these members in this order, stored; the same members give the same bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            # A ZipInfo without a time of its own has the format's first one, 1980-01-01.
            entry = zipfile.ZipInfo(name)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, content)
    return out.getvalue()
