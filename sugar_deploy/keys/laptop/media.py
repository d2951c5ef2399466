"""Public keys on media: as laptops' owners pass them on, and as sticks that put them into unlocked laptops."""

from __future__ import annotations

from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.files import write_on_media
from sugar_deploy.keys.laptop.keyset import Entry, KeySet
from sugar_deploy.keys.laptop.purposes import tag

SCRIPT = "keys.fth"


def write_public(keys: KeySet, out: Path) -> tuple[Path, ...]:
    """The present public keys as NAME.public, 270 bytes each."""
    return _write(out, {f"{entry.name}.public": keys.public(entry).der for entry in _present(keys)})


def write_stick(keys: KeySet, out: Path) -> tuple[Path, ...]:
    """The root of a FAT stick for unlocked laptops: TAG.pub for each key, and a script that adds the tags.

    Names have 8 characters and 3, because the firmware reads no longer ones. The order is that of safety: a laptop is
    locked only when its keys for images, kernels and firmware are in.
    """
    tags = {tag(entry.name, entry.generation): keys.public(entry).der for entry in _present(keys)}
    tags.pop("", None)
    ordered = sorted(tags, key=lambda name: ("sowad".index(name[0]), name))
    lines = [
        f"\\ Puts the keys of the deployment {keys.deployment} into an unlocked laptop{_mark(keys)}.",
        f"\\ At the ok prompt:  fload u:\\{SCRIPT}",
        "\\ It stops where a tag is there already. External power and a charged battery are needed.",
        *(f"add-tag-from-file {name} u:\\{name}.pub" for name in ordered),
        ".mfg-data",
    ]
    files = {f"{name}.pub": tags[name] for name in ordered}
    return _write(out, files | {SCRIPT: "".join(f"{line}\n" for line in lines).encode("ascii")})


def _present(keys: KeySet) -> list[Entry]:
    entries = [entry for entry in keys.entries() if not entry.former]
    if not entries:
        raise UsageError(f"there are no keys in {keys.path}", "Make them: sugar-deploy keys create")
    return entries


def _mark(keys: KeySet) -> str:
    return ", FOR DEMONSTRATIONS ONLY" if keys.demo else ""


def _write(out: Path, files: dict[str, bytes]) -> tuple[Path, ...]:
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_on_media(out / name, content, 0o644)
    return tuple(out / name for name in files)
