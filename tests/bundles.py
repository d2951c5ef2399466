"""Sugar bundles, made by hand as the packagers of activities make them."""

from __future__ import annotations

import zipfile
from pathlib import Path

ICON = b'<svg xmlns="http://www.w3.org/2000/svg" width="55" height="55"/>'


def activity(
    path: Path,
    bundle_id: str = "org.example.Paint",
    version: str = "1",
    name: str = "Paint",
    *,
    info: str = "",
    files: dict[str, bytes] | None = None,
) -> Path:
    """An .xo with an icon, one program and whatever else FILES name."""
    text = f"[Activity]\nname = {name}\nbundle_id = {bundle_id}\nactivity_version = {version}\n"
    text += f"exec = sugar-activity3 main.Main\nicon = paint\nlicense = GPLv3+\n{info}"
    content = {"activity/activity.info": text.encode(), "activity/paint.svg": ICON, "main.py": b"# nothing\n"}
    return archive(path, {f"Paint.activity/{inner}": data for inner, data in (content | (files or {})).items()})


def content(path: Path, global_name: str = "org.example.atlas", version: str = "1", *, info: str = "") -> Path:
    """An .xol with a start page."""
    text = f"[Library]\nname = Atlas\nglobal_name = {global_name}\nlibrary_version = {version}\n{info}"
    return archive(path, {"atlas/library/library.info": text.encode(), "atlas/index.html": b"<p>Atlas</p>"})


def archive(path: Path, files: dict[str, bytes]) -> Path:
    """A ZIP file with just these files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return path
