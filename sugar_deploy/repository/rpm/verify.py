"""Proves the yum repository in a published tree, without rpm's help.

The repository's own keys vouch for the SHA-256 of every file; the key for RPM packages vouches for the index
that laptops read.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

from sugar_deploy.files import sha256_of
from sugar_deploy.repository.rpm.layout import PUBLISHED_UNDER, SUMS, SUMS_SIGNATURE, key_name
from sugar_deploy.repository.signature import BadSignature, check_detached, keyring

_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")


class YumFault(Exception):
    """A file of the yum repository that is not what was signed, and why."""

    def __init__(self, path: Path, why: str) -> None:
        super().__init__(f"{path}: {why}")
        self.path = path
        self.why = why


def proved_files(tree: Path, keys: Path) -> set[Path]:
    """Every file of the yum repository of a published tree, proved; empty if it has none.

    KEYS is the keyring of the repository's trusted keys, as gpgv wants it. Raises YumFault.
    """
    folder = tree / PUBLISHED_UNDER
    if not folder.is_dir():
        return set()
    _signed(folder / SUMS_SIGNATURE, folder / SUMS, keys)
    listed = _listed(folder)
    for path, digest in listed.items():
        if _sha256(path) != digest:
            raise YumFault(path, "its SHA-256 is not the one that was signed")
    known = {*listed, folder / SUMS, folder / SUMS_SIGNATURE}
    strange = sorted(path for path in folder.rglob("*") if not path.is_dir() and path not in known)
    if strange:
        raise YumFault(strange[0], "it does not belong to the repository")
    _check_index(folder, listed)
    return known


def _check_index(folder: Path, listed: dict[Path, str]) -> None:
    key = next((path for path in sorted(listed) if path.name.startswith(key_name(""))), None)
    if key is None:
        raise YumFault(folder, "it holds no key for its packages")
    repomd = folder / "repodata" / "repomd.xml"
    with keyring(key) as keys:
        _signed(repomd.with_name("repomd.xml.asc"), repomd, keys)


def _signed(signature: Path, file: Path, keys: Path) -> None:
    for path in (file, signature):
        if not path.is_file():
            raise YumFault(path, "it is missing")
    try:
        check_detached(signature, file, keys)
    except BadSignature as error:
        raise YumFault(file, str(error)) from None


def _listed(folder: Path) -> dict[Path, str]:
    found: dict[Path, str] = {}
    for line in (folder / SUMS).read_text(errors="replace").splitlines():
        match = _LINE.fullmatch(line)
        if match is None or PurePosixPath(match[2]).is_absolute() or ".." in PurePosixPath(match[2]).parts:
            raise YumFault(folder / SUMS, f"it holds a line that is none of its own: {line[:80]!r}")
        found[folder / match[2]] = match[1]
    return found


def _sha256(path: Path) -> str:
    try:
        return sha256_of(path)
    except FileNotFoundError:
        raise YumFault(path, "it is missing") from None
    except OSError as error:
        raise YumFault(path, f"it cannot be read: {error.strerror}") from None
