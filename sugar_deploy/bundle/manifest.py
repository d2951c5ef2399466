"""The manifest of a bundle: what it is, what it holds, and what it trusts the server to have already."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sugar_deploy.bundle.layout import UNLISTED, Layout
from sugar_deploy.errors import DeployError
from sugar_deploy.keys.gpg import Gpg
from sugar_deploy.repository.signature import BadSignature, check_detached, keyring

FORMAT = 1
COMPLETE = "complete"
INCREMENTAL = "incremental"
LARGEST_BYTES = 256 * 2**20
"""A manifest of 100,000 files has 20 MB; what is larger than this was not written by us."""

_TIME = "%Y-%m-%dT%H:%M:%SZ"
_SNAPSHOT = re.compile(r"[0-9a-f]{12}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_FINGERPRINT = re.compile(r"[0-9A-F]{40}([0-9A-F]{24})?")
_WORD = re.compile(r"[a-z0-9][a-z0-9.+-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class BadManifest(DeployError):
    """A bundle whose manifest is missing, is not what was signed, or says what cannot be."""


class HalfCopied(BadManifest):
    """A bundle without its manifest, which is written last."""


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A file: its path relative to the bundle's folder, with slashes; its size in bytes; its hash."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Since:
    """The snapshot that an incremental bundle builds upon."""

    snapshot: str
    serial: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What MANIFEST.json says, checked."""

    deployment: str
    title: str
    snapshot: str
    serial: int
    since: Since | None
    created_at: str
    """UTC, as 2026-11-21T06:30:00Z: when the snapshot was published, so that the same input gives the same bytes."""
    tool: str
    schools: tuple[str, ...]
    suites: tuple[str, ...]
    architectures: tuple[str, ...]
    fingerprints: tuple[str, ...]
    """Keys that the deployment trusts, as key.asc holds them."""
    files: tuple[Entry, ...]
    """Sorted by path; what is on the stick, without the manifest, its signature and the key."""
    held: tuple[Entry, ...] = ()
    """Files of the repository that are not on the stick, because the server has them since the snapshot `since`."""

    @property
    def kind(self) -> str:
        """complete or incremental."""
        return INCREMENTAL if self.since else COMPLETE

    @property
    def size(self) -> int:
        """Bytes on the stick, without the filesystem's rounding."""
        return sum(entry.size for entry in self.files)

    @property
    def created(self) -> datetime:
        """`created_at` as a time."""
        return datetime.strptime(self.created_at, _TIME).replace(tzinfo=UTC)

    def text(self) -> str:
        """The file's text: one file a line, so that a person and `diff` can read it."""
        fields: dict[str, Any] = {
            "format": FORMAT,
            "deployment": self.deployment,
            "title": self.title,
            "kind": self.kind,
        }
        fields |= {key: value for key, value in asdict(self).items() if key not in fields}
        lists = {name: fields.pop(name) for name in ("files", "held")}
        head = json.dumps(fields, ensure_ascii=False, indent=2).removesuffix("\n}")
        for name, entries in lists.items():
            rows = ",\n".join(f"    {json.dumps(entry, ensure_ascii=False)}" for entry in entries)
            head += f',\n  "{name}": [' + (f"\n{rows}\n  ]" if rows else "]")
        return f"{head}\n}}\n"


def parse(text: str) -> Manifest:
    """The manifest in a JSON text; raises BadManifest for whatever this tool would not have written."""
    try:
        found = json.loads(text, object_pairs_hook=_no_duplicates)
        return _manifest(found)
    except RecursionError:
        raise _bad("it is nested too deeply") from None
    except ValueError as error:
        raise _bad(str(error)) from None


def _bad(why: str) -> BadManifest:
    return BadManifest(f"the bundle's MANIFEST.json cannot be used: {why}", "Write the stick again")


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


def _manifest(found: object) -> Manifest:
    if not isinstance(found, dict):
        raise ValueError("it is no mapping")
    if found.get("format") != FORMAT:
        raise ValueError(f"its format is {found.get('format')!r}, and this sugar-deploy reads format {FORMAT}")
    known = {"format", "kind", *Manifest.__dataclass_fields__}
    if odd := sorted(known ^ found.keys()):
        raise ValueError(f"missing or unknown: {', '.join(odd)}")
    manifest = Manifest(
        deployment=_text(found, "deployment", _WORD),
        title=_text(found, "title"),
        snapshot=_text(found, "snapshot", _SNAPSHOT),
        serial=_number(found, "serial", 1),
        since=_since(found["since"]),
        created_at=_text(found, "created_at"),
        tool=_text(found, "tool", _WORD),
        schools=_texts(found, "schools", _WORD),
        suites=_texts(found, "suites", _WORD),
        architectures=_texts(found, "architectures", _WORD),
        fingerprints=_texts(found, "fingerprints", _FINGERPRINT),
        files=_entries(found, "files"),
        held=_entries(found, "held"),
    )
    _require_sense(manifest, found["kind"])
    return manifest


def _require_sense(manifest: Manifest, kind: object) -> None:
    try:
        manifest.created  # noqa: B018 (raises where the text is no time)
    except ValueError:
        raise ValueError(f"created_at is no time: {manifest.created_at!r}") from None
    if kind != manifest.kind:
        raise ValueError(f"its kind is {kind!r}, but its `since` says that it is {manifest.kind}")
    if manifest.held and not manifest.since:
        raise ValueError("it leaves files to the server, but does not say since which snapshot")
    if not (manifest.suites and manifest.architectures and manifest.fingerprints and manifest.files):
        raise ValueError("it names no suite, architecture, key or file")
    paths = [entry.path for entry in (*manifest.files, *manifest.held)]
    if len({path.casefold() for path in paths}) != len(paths):
        raise ValueError("two files have the same name")
    if listed := UNLISTED.intersection(paths):
        raise ValueError(f"it lists {', '.join(sorted(listed))}")


def _text(found: dict[str, Any], name: str, form: re.Pattern[str] | None = None) -> str:
    value = found[name]
    if not isinstance(value, str) or not value or _CONTROL.search(value) or (form and not form.fullmatch(value)):
        raise ValueError(f"{name} is {value!r}"[:200])
    return value


def _texts(found: dict[str, Any], name: str, form: re.Pattern[str]) -> tuple[str, ...]:
    value = found[name]
    if not isinstance(value, list) or not all(isinstance(one, str) and form.fullmatch(one) for one in value):
        raise ValueError(f"{name} is {value!r}"[:200])
    if len(set(value)) != len(value):
        raise ValueError(f"{name} names one twice")
    return tuple(value)


def _number(found: dict[str, Any], name: str, least: int) -> int:
    value = found[name]
    if type(value) is not int or not least <= value < 2**63:
        raise ValueError(f"{name} is {value!r}"[:200])
    return value


def _exactly(value: object, keys: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != keys:
        raise ValueError(f"{value!r}"[:160] + f" does not have {', '.join(sorted(keys))}")
    return value


def _since(value: object) -> Since | None:
    if value is None:
        return None
    found = _exactly(value, {"snapshot", "serial"})
    return Since(_text(found, "snapshot", _SNAPSHOT), _number(found, "serial", 1))


def _entries(found: dict[str, Any], name: str) -> tuple[Entry, ...]:
    value = found[name]
    if not isinstance(value, list):
        raise ValueError(f"{name} is no list")
    entries = tuple(_entry(one) for one in value)
    if list(entries) != sorted(entries):
        raise ValueError(f"{name} is not sorted")
    return entries


def _entry(value: object) -> Entry:
    found = _exactly(value, {"path", "size", "sha256"})
    path = _text(found, "path")
    parts = path.split("/")
    if "\\" in path or any(part in {"", ".", ".."} for part in parts):
        raise ValueError(f"{path!r} leads out of the bundle"[:200])
    return Entry(path, _number(found, "size", 0), _text(found, "sha256", _SHA256))


def signature(text: str, gpg: Gpg, fingerprints: Sequence[str]) -> str:
    """The detached signatures, ASCII armoured, of a manifest's text by all of these keys."""
    signers = [word for fingerprint in fingerprints for word in ("--local-user", fingerprint)]
    return gpg.run("--armor", "--digest-algo", "SHA512", *signers, "--detach-sign", text=text)


def read_verified(
    layout: Layout, keys: Path, check: Callable[[Path, Path, Path], object] = check_detached
) -> Manifest:
    """The bundle's manifest, proved with the public keys in KEYS (ASCII armoured).

    Raises HalfCopied where there is none, BadManifest where it is not what one of the keys signed.
    """
    if not layout.folder.is_dir():
        raise BadManifest(f"there is no bundle in {layout.root}: it has no folder {layout.folder.name}/")
    if not (layout.manifest.is_file() and layout.signature.is_file()):
        raise HalfCopied(
            f"the bundle in {layout.root} is only half copied: its manifest, which is written last, is missing",
            f"Finish it where it was begun: sugar-deploy repo bundle {layout.root}",
        )
    if layout.manifest.stat().st_size > LARGEST_BYTES:
        raise _bad(f"it has more than {LARGEST_BYTES} bytes")
    with keyring(keys) as ring:
        try:
            check(layout.signature, layout.manifest, ring)
        except BadSignature as error:
            raise BadManifest(
                f"the bundle in {layout.root} cannot be trusted: its manifest's signature does not hold: {error}",
                "Use a stick that your deployment's repository has written",
            ) from None
    return parse(layout.manifest.read_text(encoding="utf-8", errors="replace"))
