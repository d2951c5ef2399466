"""Public keys on media: as laptops' owners pass them on, and as sticks that put them into unlocked laptops.

The script uses words of the firmware's: find-tag, -null, $=, $find, bat-status@, and the prompt's add-tag-from-file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from sugar_deploy.errors import UsageError
from sugar_deploy.files import write_on_media
from sugar_deploy.keys.laptop.keyset import Entry, KeySet
from sugar_deploy.keys.laptop.purposes import tag

SCRIPT = "keys.fth"
_SKU = re.compile(r"[0-9A-Z]{1,20}", re.ASCII)


def write_public(keys: KeySet, out: Path) -> tuple[Path, ...]:
    """The present public keys as NAME.public, 270 bytes each."""
    return _write(out, {f"{entry.name}.public": keys.public(entry).der for entry in _present(keys)})


def write_stick(keys: KeySet, out: Path, skus: Sequence[str] = ()) -> tuple[Path, ...]:
    """The root of a FAT stick for unlocked laptops: TAG.pub for each key, and a script that adds the tags.

    Names have 8 characters and 3, because the firmware reads no longer ones. The order is that of safety: a laptop is
    locked only when its keys for images, kernels and firmware are in. With SKUS, only laptops whose tag P# is one of
    them take the keys. Raises UsageError.
    """
    if strange := [sku for sku in skus if not _SKU.fullmatch(sku)]:
        raise UsageError(f"{strange[0]!r} is no SKU", "Write it as the laptop's tag P# has it: capitals and digits")
    tags = {tag(entry.name, entry.generation): keys.public(entry).der for entry in _present(keys)}
    tags.pop("", None)
    # Injectors carry a tag t, probably the key of theft deterrence, which answers by the lease key's delegation.
    tags |= {f"t{name[1:]}": der for name, der in tags.items() if name.startswith("a")}
    ordered = sorted(tags, key=lambda name: ("sowadt".index(name[0]), name))
    script = _script(f"{keys.deployment}{_mark(keys)}", ordered, skus)
    files = {f"{name}.pub": tags[name] for name in ordered}
    return _write(out, files | {SCRIPT: "".join(f"{line}\n" for line in script).encode("ascii")})


def _script(whose: str, tags: Sequence[str], skus: Sequence[str]) -> list[str]:
    """It adds what is not there, and changes nothing that is: it can be given again after it was cut off."""
    adding = [f'" {name}" " add-tag-from-file {name} u:\\{name}.pub" put-in' for name in tags]
    ours = [f'   2dup " {sku}" $=  if  2drop true exit  then' for sku in skus]
    return [
        f"\\ Puts keys into an unlocked laptop: those of {whose}",
        f"\\ At the ok prompt:  fload u:\\{SCRIPT}",
        "\\ If the laptop starts anew, give it again, until it says that all are there.",
        ": there?  ( tag$ -- flag )  find-tag  dup  if  nip nip  then  ;",
        ": ours?  ( -- flag )",
        '   " P#" find-tag  0=  if  false exit  then  -null' if skus else "   true exit",
        *ours,
        "   2drop false" if skus else "",
        ";",
        ": strong?  ( -- flag )",
        '   " bat-status@" $find  0=  if  2drop true exit  then',
        "   execute  dup h# 10 and 0<>  swap h# 84 and 0=  and",
        ";",
        ": all-there?  ( -- flag )  true",
        *(f'   " {name}" there? and' for name in tags),
        ";",
        ": put-in  ( tag$ command$ -- )  2swap there?  if  2drop  else  evaluate  then  ;",
        ": look-first  ( -- )",
        '   ours? 0= abort" This laptop is of another kind: no keys for it"',
        '   strong? 0= abort" Connect external power, and put in a charged battery"',
        ";",
        ': say-all  all-there?  if  ." All keys are there"  else  ." Keys are missing"  then  cr  ;',
        "look-first",
        *adding,
        "say-all",
        ".mfg-data",
    ]


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
