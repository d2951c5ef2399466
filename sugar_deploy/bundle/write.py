"""Writes a bundle so that no moment shows a half copied one as whole: the manifest goes first and comes last."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.bundle.beside import MARK_TEXT
from sugar_deploy.bundle.device import Stick, StickFailed, alone, stick, told
from sugar_deploy.bundle.layout import Layout
from sugar_deploy.bundle.manifest import BadManifest, read_verified
from sugar_deploy.bundle.parts import Piece
from sugar_deploy.bundle.place import make
from sugar_deploy.bundle.resume import draft_name, is_right, refuse_foreign, remove_stale, survey
from sugar_deploy.bundle.watch import Watch
from sugar_deploy.errors import DeployError

BATCH_BYTES = 64 * 2**20
BATCH_FILES = 256
_CHUNK = 2**20


@dataclass(frozen=True, slots=True)
class Bundle:
    """Everything that goes onto the stick, in memory or as files to copy."""

    pieces: tuple[Piece, ...]
    manifest: str
    signature: str
    key: str
    install: str
    readme: str


@dataclass(frozen=True, slots=True)
class Written:
    """What was done."""

    kept: int
    written: int
    bytes_written: int

    @property
    def changed(self) -> bool:
        """Whether the stick is other than before."""
        return self.written > 0


def write(bundle: Bundle, layout: Layout, watch: Watch) -> Written:
    """Bring the stick to exactly this bundle, and prove that it gives back what was written."""
    refuse_foreign(layout)
    make(layout.root)
    with alone(layout.root):
        here = stick(layout.root)
        _write_small(layout.mark, MARK_TEXT, here)
        found = survey(layout, bundle.pieces, watch)
        missing = [piece for piece in bundle.pieces if piece.path not in found.right]
        if not missing and not found.stale and _is_finished(bundle, layout):
            return Written(len(found.right), 0, 0)
        _unfinish(layout, here)
        remove_stale(layout, found.stale)
        watch.begin("Writing", sum(piece.size for piece in missing))
        _copy_all(missing, layout, here, watch)
        for path, text in (
            (layout.install, bundle.install),
            (layout.readme, bundle.readme),
            (layout.key, bundle.key),
        ):
            _write_small(path, text, here)
        here.sync()
        _read_back(missing, layout, watch)
        _write_small(layout.signature, bundle.signature, here)
        here.sync()
        _write_small(layout.manifest, bundle.manifest, here)
        here.sync()
    return Written(len(found.right), len(missing), sum(piece.size for piece in missing))


def _is_finished(bundle: Bundle, layout: Layout) -> bool:
    """Whether all that is not a piece is as it shall be, too."""
    texts = {layout.manifest: bundle.manifest, layout.key: bundle.key}
    texts |= {layout.install: bundle.install, layout.readme: bundle.readme}
    try:
        if any(path.read_bytes() != text.encode() for path, text in texts.items()):
            return False
        read_verified(layout, layout.key)
    except (OSError, BadManifest):
        return False
    return True


def _unfinish(layout: Layout, here: Stick) -> None:
    """From here on the stick is known to be half copied, whatever happens."""
    with told(layout.root):
        layout.manifest.unlink(missing_ok=True)
        layout.signature.unlink(missing_ok=True)
    here.sync()


def _write_small(path: Path, text: str, here: Stick) -> None:
    here.require_present()
    data = text.encode()
    with told(here.root):
        if path.is_file() and not path.is_symlink() and path.read_bytes() == data:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(draft_name(path.name))
        with draft.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)


def _batches(pieces: Iterable[Piece]) -> Iterator[list[Piece]]:
    """Pieces whose bytes go to the stick together: a flush for each small file takes longer than the file."""
    batch: list[Piece] = []
    size = 0
    for piece in pieces:
        batch.append(piece)
        size += piece.size
        if size >= BATCH_BYTES or len(batch) >= BATCH_FILES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


def _copy_all(pieces: Sequence[Piece], layout: Layout, here: Stick, watch: Watch) -> None:
    for batch in _batches(pieces):
        drafts = [(_copy(piece, layout, here, watch), layout.file(piece.path)) for piece in batch]
        here.sync()
        with told(layout.root):
            for draft, path in drafts:
                draft.replace(path)


def _copy(piece: Piece, layout: Layout, here: Stick, watch: Watch) -> Path:
    """Copy a piece to a name of its own beside the right one; returns that name."""
    here.require_present()
    path = layout.file(piece.path)
    # The name's hash: the longest names leave no room for an ending.
    draft = path.with_name(f"{hashlib.sha256(path.name.encode()).hexdigest()[:16]}.part")
    total = hashlib.sha256()
    with told(layout.root):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = draft.open("wb", buffering=0)
    try:
        for chunk in _source_chunks(piece):
            total.update(chunk)
            with told(layout.root):
                view = memoryview(chunk)
                while view:
                    view = view[file.write(view) :]
            watch.advance(len(chunk))
    finally:
        with told(layout.root):
            file.close()
    if total.hexdigest() != piece.sha256:
        raise _changed(piece)
    return draft


def _source_chunks(piece: Piece) -> Iterator[bytes]:
    try:
        with piece.source.open("rb", buffering=0) as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except FileNotFoundError:
        raise _changed(piece) from None
    except OSError as error:
        raise DeployError(
            f"{piece.source} cannot be read: {error.strerror}",
            "It is on this machine, not on the stick: check its disk",
        ) from error


def _changed(piece: Piece) -> DeployError:
    return DeployError(
        f"{piece.source} is not what the repository says that it is",
        "Was the repository published meanwhile? Run the same command again",
    )


def _read_back(pieces: Sequence[Piece], layout: Layout, watch: Watch) -> None:
    """Prove what was written; a wrong file is removed, so that the next run writes it again."""
    watch.begin("Reading back", sum(piece.size for piece in pieces))
    wrong = [piece for piece in pieces if not is_right(layout, piece, watch)]
    if not wrong:
        return
    remove_stale(layout, [layout.file(piece.path) for piece in wrong])
    raise StickFailed(
        f"the stick does not give back what was written to it: {wrong[0].path}"
        + (f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""),
        "It is failing, or smaller than it says. Try once more; if it happens again, use another stick",
    )
