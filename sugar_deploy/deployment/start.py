"""The beginning of a deployment's folder, from its scenario's inventory."""

from __future__ import annotations

import os
import re
import tempfile
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.shape import shape
from sugar_deploy.deployment.types import Slug
from sugar_deploy.deployment.words import slug, value_fault
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.resources import resource

_NAME_LINE = re.compile(r"^name: [a-z0-9-]+", re.MULTILINE)
_IGNORED = (
    "# What sugar-deploy keeps on this machine, its SSH key for your servers too: back it up, never commit it.\n"
    "/.sugar-deploy/\n"
)


def start(folder: Folder, scenario: Scenario, name: str | None = None) -> list[Path]:
    """Write the scenario's deployment.yml and a .gitignore; the files written. Nothing is overwritten."""
    chosen = _name(folder, name)
    template = resource("inventories") / scenario.value / folder.file.name
    text = _NAME_LINE.sub(f"name: {chosen}", template.read_text(encoding="utf-8"), count=1)
    try:
        folder.root.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UsageError(f"{folder.root} is not a directory", "Choose another one") from None
    try:
        _write_new(folder.file, text)
    except FileExistsError:
        remedy = "Choose another directory, or edit the file that is there"
        raise UsageError(f"{folder.file} exists already", remedy) from None
    ignore = folder.root / ".gitignore"
    try:
        _write_new(ignore, _IGNORED)
    except FileExistsError:
        return [folder.file]
    return [folder.file, ignore]


def _name(folder: Folder, name: str | None) -> str:
    if name is None:
        made = slug(folder.root.resolve().name).lstrip("-0123456789")
        return made or "my-deployment"
    try:
        return TypeAdapter[str](Slug).validate_python(name)
    except ValidationError as error:
        message, remedy = value_fault(error, shape(Slug))
        raise UsageError(message, remedy.rstrip(".")) from None


def _write_new(path: Path, text: str) -> None:
    """Write a whole file or none, and never over another."""
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            os.fchmod(descriptor, 0o666 & ~_umask())
            file.write(text)
            file.flush()
            os.fsync(descriptor)
        try:
            # Unlike a rename a link never replaces what came there in the meantime.
            os.link(draft, path)
        except PermissionError:
            # A stick's filesystem has no links.
            if path.exists():
                raise FileExistsError from None
            Path(draft).rename(path)
            return
        Path(draft).unlink()
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
