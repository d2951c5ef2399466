"""Media that put a deployment's keys into locked laptops: a keyjector, and the firmware that comes after it.

A keyjector is a ROM image built with the keys inside. A laptop installs it as it installs any newer firmware, and it
replaces itself by the next one, which must be newer still. Both are signed by a firmware key that the laptops trust
already: OLPC's, or the deployment's own where that was put in before.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from olpc_security.keys import PublicKey

from sugar_deploy.errors import UsageError
from sugar_deploy.image.bundles.container import members
from sugar_deploy.image.bundles.contents import rom_faults, rom_number, rom_version
from sugar_deploy.image.bundles.kinds import IMAGE, MODELS, Model
from sugar_deploy.image.bundles.signing import Key
from sugar_deploy.image.bundles.writing import write_bundle
from sugar_deploy.image.report import Report


def model_called(name: str) -> Model:
    """The model; raises UsageError."""
    found = next((model for model in MODELS if model.name.lower() == name.lower()), None)
    if found is None:
        raise UsageError(f"{name} is no model", f"Name one of {', '.join(model.name.lower() for model in MODELS)}")
    return found


def require_order(keyjector: bytes, successor: bytes, model: Model) -> None:
    """Raise UsageError unless a laptop replaces the keyjector by its successor."""
    for what, image in (("keyjector", keyjector), ("firmware", successor)):
        if faults := rom_faults(image, model):
            raise UsageError(f"the {what} {faults[0]}", f"Name a ROM image for {model.name}")
    if rom_number(successor, model) <= rom_number(keyjector, model):
        first, second = rom_version(keyjector, model), rom_version(successor, model)
        raise UsageError(
            f"the firmware {second} is not newer than the keyjector {first}: laptops would keep the keyjector",
            "Build the keyjector with a version between two releases",
        )


def missing_in(keyjector: bytes, keys: Sequence[PublicKey]) -> list[PublicKey]:
    """The keys that the ROM image does not hold as they are; its modules may be packed."""
    return [key for key in keys if key.der not in keyjector]


def write_media(
    out: Path, model: Model, images: tuple[bytes, bytes], signatures: tuple[bytes, bytes], trusted: PublicKey
) -> tuple[Path, ...]:
    """Write keyjector and firmware into the root of a stick, with their data.sig; raises UsageError.

    TRUSTED is the firmware key that the laptops know.
    """
    require_order(*images, model)
    (out / "boot").mkdir(parents=True, exist_ok=True)
    targets = _targets(out, model)
    # The keyjector comes last: a laptop must not find it alone.
    for target, image, data_sig in zip(targets, reversed(images), reversed(signatures), strict=True):
        write_bundle(target, image, data_sig, [Key("fw", trusted)])
    return targets


def media_files(root: Path) -> tuple[Path, ...]:
    """What `write_media` wrote below ROOT, of all models. Raises UsageError where a laptop would keep a keyjector."""
    found: list[Path] = []
    for model in MODELS:
        files = _targets(root, model)
        there = [file for file in files if file.exists()]
        if len(there) == 1:
            raise UsageError(f"{there[0]} is alone in {root}", "A keyjector and its successor belong together")
        if there:
            successor, keyjector = (members(file.read_bytes(), file.name, Report()).get(IMAGE, b"") for file in files)
            require_order(keyjector, successor, model)
            found += files
    if not found:
        raise UsageError(f"{root} has no keyjector", "Write one: sugar-deploy keys export keyjector")
    return tuple(found)


def _targets(root: Path, model: Model) -> tuple[Path, Path]:
    """Where the successor and the keyjector stand on a stick."""
    return root / "boot" / f"fw{model.number}.zip", root / "boot" / f"bootfw{model.number}.zip"
