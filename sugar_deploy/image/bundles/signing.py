"""Which lines of a data.sig the firmware takes, with a deployment's public keys or without any."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from olpc_security.bundles import require_firmware, require_image
from olpc_security.keys import KEYID_BYTES, PublicKey
from olpc_security.rules import Refusal
from olpc_security.signatures import Sig01, parse
from olpc_security.trust import TrustedKeys

from sugar_deploy.errors import UsageError
from sugar_deploy.image.bundles.kinds import Content, Kind
from sugar_deploy.image.report import Report
from sugar_deploy.keys.laptop.purposes import PURPOSES


@dataclass(frozen=True, slots=True)
class Key:
    """A public key that laptops trust: for one purpose, or for every one if that is empty."""

    purpose: str
    public: PublicKey


def read_key(file: Path) -> Key:
    """The key in a NAME.public file: for its purpose where it is called so, as `os.public` or `os-2.public`.

    Raises UsageError.
    """
    try:
        public = PublicKey(file.read_bytes())
    except Refusal as refusal:
        raise UsageError(
            f"{file}: is no public key for laptops: {refusal.what}", "Take it from: sugar-deploy keys export public"
        ) from None
    name, _, generation = file.stem.partition("-")
    return Key(name if name in PURPOSES and (not generation or generation.isdecimal()) else "", public)


def trusted(keys: Sequence[Key], purpose: str) -> TrustedKeys:
    """Those of the keys that count for a purpose."""
    return TrustedKeys(tuple(key.public for key in keys if key.purpose in ("", purpose)))


def check_signatures(
    kind: Kind, image: bytes, data_sig: bytes | None, keys: Sequence[Key], name: str, report: Report
) -> None:
    """A bundle's signatures; without a key for its purpose only their form can be told, which is warned of."""
    own = trusted(keys, kind.key)
    if data_sig is None:
        _check_unsigned(kind, name, report, is_demanded=bool(own.keys))
        return
    where = f"{name}: data.sig"
    if not own.keys:
        _check_form(kind, data_sig, where, report)
        report.warnings.append(f"{where}: is not verified: give the public key {kind.key}, --key {kind.key}.public")
        return
    require = require_firmware if kind.key == "fw" else require_image
    try:
        require(image, data_sig, own, int(time.time()))
        report.facts["signature"] = f"good, by the key {kind.key}"
    except Refusal as refusal:
        report.errors.append(f"{where}: {refusal}")


def _check_unsigned(kind: Kind, name: str, report: Report, *, is_demanded: bool) -> None:
    text = f"{name}: has no data.sig"
    if kind.content is Content.SPECIFICATION:
        report.errors.append(f"{text}: the firmware takes no unsigned one, not even on unlocked laptops")
    elif is_demanded:
        report.errors.append(text)
    else:
        report.warnings.append(f"{text}: only unlocked laptops take it")


def _check_form(kind: Kind, data_sig: bytes, where: str, report: Report) -> None:
    wanted = ["sha256", "rmd160"] if kind.key == "fw" else ["sha256"]
    hashes: dict[bytes, list[str]] = {}
    for number, line in enumerate(data_sig.decode("latin-1").split("\n"), start=1):
        if not line:
            continue
        try:
            signature = parse(line)
        except Refusal as refusal:
            report.warnings.append(f"{where}: {refusal.on_line(number)}")
            continue
        first = signature if isinstance(signature, Sig01) else signature.groups[0]
        hashes.setdefault(first.key[-KEYID_BYTES:], []).append(first.hash_name)
    if not hashes:
        report.errors.append(f"{where}: has no signature")
    for key, names in hashes.items():
        if names[: len(wanted)] != wanted:
            report.errors.append(
                f"{where}: of the key …{key.hex()} the lines are {', '.join(names)}, not {', then '.join(wanted)}"
            )
