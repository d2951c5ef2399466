"""Which file goes where on a medium, for one model or for many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.files import sha256_of
from sugar_deploy.image.bundles.kinds import named
from sugar_deploy.image.keyjector import media_files
from sugar_deploy.image.media.school import delivery_places, library_places
from sugar_deploy.image.outputs import manifest

_FLASHED = (".zd", ".zsp", ".zip", ".crc", ".onu", ".uim", ".img")
CONTENTS = "contents.txt"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a medium is to do.

    For laptops: flash IMAGES (folders that `image output` made), activate, unlock, start bundles, or put keys in
    (KEYJECTORS: folders of `keys export keyjector`). For a school's server: bring activities and content for its
    LIBRARY (files, or folders of them), and its activation (DELIVERY: a folder of `lease deliver`).
    """

    images: Sequence[Path] = ()
    leases: Path | None = None
    developer_keys: Path | None = None
    bundles: Sequence[Path] = ()
    keyjectors: Sequence[Path] = ()
    library: Sequence[Path] = ()
    delivery: Path | None = None


def places(wanted: Wanted, hash_of: Callable[[Path], str] = sha256_of) -> dict[str, Path]:
    """Each file by its place on the medium; HASH_OF tells a file's SHA-256.

    Raises UsageError where two would have the same place, or one none.
    """
    found: dict[str, Path] = {}
    first: dict[str, Path] = {}
    for place, file in _all(wanted, hash_of):
        # To FAT capitals make no other name.
        if (other := first.setdefault(place.lower(), file)) is not file:
            raise UsageError(
                f"{file} and {other} both have the place {place} on the medium",
                "Give one of them another name; an image by image output --name",
            )
        found[place] = file
    if not found:
        raise UsageError("there is nothing to be put onto the medium", "Name images, or see --help")
    return found


def _all(wanted: Wanted, hash_of: Callable[[Path], str]) -> Iterable[tuple[str, Path]]:
    for folder in wanted.images:
        said = manifest.read(folder)
        if faults := manifest.changed(folder, said, hash_of):
            raise UsageError(f"{folder}: {faults[0]}", "Make the image anew")
        files = [folder / one["name"] for one in said["files"]]
        if said["flow"] == "disk":
            raise UsageError(f"{folder} is for a PC: it is a whole medium itself", "Write its .img: image flash")
        yield from ((file.name, file) for file in files if file.suffix in _FLASHED)
    if wanted.leases:
        # The firmware looks in the one place, the ramdisk in the other.
        yield from (("lease.sig", wanted.leases), ("security/lease.sig", wanted.leases))
    if wanted.developer_keys:
        yield "security/develop.sig", wanted.developer_keys
    for file in wanted.bundles:
        yield _of_bundle(file), file
    for folder in wanted.keyjectors:
        yield from ((_of_bundle(file), file) for file in media_files(folder))
    yield from library_places(wanted.library)
    if wanted.delivery:
        yield from delivery_places(wanted.delivery)


def _of_bundle(file: Path) -> str:
    meant = named(file.name)
    if meant is None:
        raise UsageError(
            f"{file} is no bundle", "The firmware looks for runosN.zip, bootfwN.zip, fsN.zip and the like"
        )
    kind, models = meant
    if len(models) > 1:
        raise UsageError(
            f"{file} has no model's number: firmware from before October 2012 takes it on every model",
            f"Call it {kind.stem}N.zip: 0 XO-1, 1 XO-1.5, 2 XO-1.75, 4 XO-4",
        )
    return f"{kind.folder}/{file.name}".removeprefix("/").lower()
