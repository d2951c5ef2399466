"""sugar-deploy itself on the server: each version in a folder of its own, a link to the one in use."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.bundle.install.apt import install_packages
from sugar_deploy.bundle.install.server import Server
from sugar_deploy.bundle.install.stick import reading
from sugar_deploy.bundle.layout import Layout
from sugar_deploy.bundle.manifest import BadManifest, Manifest
from sugar_deploy.errors import DeployError
from sugar_deploy.files import to_disk
from sugar_deploy.locks import DEBIAN

COMPLETE = ".complete"
"""Written into a version's folder when all of it is there."""
PYTHON = "/usr/bin/python3"


@dataclass(frozen=True, slots=True)
class Tool:
    """The version of sugar-deploy that a bundle brings for this server."""

    name: str
    lock: str
    """Its requirements file, relative to the bundle's folder."""
    wheels: frozenset[str]
    """What that file may install, relative to the bundle's folder."""
    debian: tuple[str, ...]
    """Debian's packages that stand in for wheels."""

    @property
    def files(self) -> frozenset[str]:
        """All that must be taken to install it."""
        return self.wheels | {self.lock}


def tool_of(layout: Layout, manifest: Manifest, suite: str, architecture: str) -> Tool:
    """The tool for this system; raises BadManifest where the bundle has none or its list is not what was signed."""
    file = layout.lock(suite, architecture)
    name = file.relative_to(layout.folder).as_posix()
    signed = {entry.path: entry.sha256 for entry in manifest.files}
    if name not in signed:
        raise BadManifest(f"the bundle brings no sugar-deploy for {suite} on {architecture}", "Write the stick again")
    with reading(layout.root):
        data = file.read_bytes() if file.is_file() else b""
    digest = hashlib.sha256(data).hexdigest()
    if digest != signed[name]:
        raise BadManifest(f"{name} on the stick is damaged or was tampered with", "Write the stick again")
    text = data.decode(errors="replace")
    # pip takes no wheel but those whose hash the list names.
    wheels = {path for path, sha256 in signed.items() if path.startswith("wheels/") and sha256 in text}
    lines = [line for line in text.splitlines() if line.startswith(DEBIAN)]
    debian = tuple(word for line in lines for word in line.removeprefix(DEBIAN).split())
    return Tool(f"{manifest.tool}-{digest[:8]}", name, frozenset(wheels), debian)


def running(server: Server) -> str:
    """The name of the version that runs this very code; empty for one that no bundle has installed."""
    prefix = Path(sys.prefix)
    return prefix.name if prefix.parent == server.tools else ""


def install_tool(server: Server, tool: Tool, taken: Path, repository: Path, keys: Path) -> Path:
    """Install the tool from the files in TAKEN, unless it is there; returns its command, which the link then names.

    Stand-ins come from the REPOSITORY, proved with KEYS. Older versions but the former one are removed.
    """
    folder = server.tools / tool.name
    program = folder / "bin" / "sugar-deploy"
    if not (folder / COMPLETE).is_file():
        shutil.rmtree(folder, ignore_errors=True)
        if tool.debian:
            install_packages(tool.debian, repository, keys, server.suite())
        _make(folder, tool, taken)
        os.sync()
        (folder / COMPLETE).touch()
        to_disk(folder)
    former = server.command.resolve().parent.parent if server.command.is_symlink() else folder
    server.command.parent.mkdir(parents=True, exist_ok=True)
    draft = server.command.with_name(f".{server.command.name}.new")
    draft.unlink(missing_ok=True)
    draft.symlink_to(program)
    draft.replace(server.command)
    for other in server.tools.iterdir():
        if other not in {folder, former}:
            shutil.rmtree(other, ignore_errors=True)
    return program


def _make(folder: Path, tool: Tool, taken: Path) -> None:
    folder.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    _run([PYTHON, "-I", "-m", "venv", *(["--system-site-packages"] if tool.debian else []), str(folder)])
    pip = [str(folder / "bin" / "python"), "-I", "-m", "pip", "--isolated", "--disable-pip-version-check", "install"]
    options = [
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-cache-dir",
        "--require-hashes",
        "--root-user-action=ignore",
    ]
    wheels = ["--find-links", str(taken / "wheels"), "--requirement", str(taken / tool.lock)]
    _run([*pip, *options, *wheels])


def _run(argv: list[str]) -> None:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "HOME": "/root"}
    # In an image that is composed: what Python compiles must not depend on the time.
    environment |= {name: value for name, value in os.environ.items() if name == "SOURCE_DATE_EPOCH"}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise DeployError(f"sugar-deploy itself cannot be installed: {said}", "Nothing else was changed")
