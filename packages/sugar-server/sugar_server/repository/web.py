# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository's addresses on the web, read only: /repository/dists/…, /repository/pool/…, /repository/yum/…"""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path
from typing import BinaryIO

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

from sugar_server.file_answer import FileAnswer
from sugar_server.repository.settings import RepositorySettings

_TYPES = {
    ".asc": "text/plain",
    ".deb": "application/vnd.debian.binary-package",
    ".gz": "application/gzip",
    ".rpm": "application/x-rpm",
    ".xml": "application/xml",
    ".xz": "application/x-xz",
}


class Packages:
    """Hands out the files of the repository's folder."""

    def __init__(self, settings: RepositorySettings) -> None:
        self._settings = settings

    def routes(self) -> list[BaseRoute]:
        return [Route("/repository/{file:path}", self.file, methods=["GET"])] if self._settings.enabled else []

    async def file(self, request: Request) -> Response:
        name = request.path_params["file"]
        try:
            file = await asyncio.get_running_loop().run_in_executor(None, _open, Path(self._settings.folder), name)
        except (OSError, ValueError, RuntimeError):  # the last one: links in a circle, before Python 3.13
            return PlainTextResponse("The repository has no such file.\n", 404)
        return FileAnswer(request, file, _TYPES.get(Path(name).suffix, "application/octet-stream"))


def _open(folder: Path, name: str) -> BinaryIO:
    """A file below the folder, and nothing that only pretends to be there; OSError or ValueError if there is none."""
    if any(part in {"", ".", ".."} for part in name.split("/")):
        raise FileNotFoundError(name)
    root = folder.resolve(strict=True)
    path = (root / name).resolve(strict=True)
    if root not in path.parents:
        raise FileNotFoundError(name)
    # Without O_NONBLOCK a pipe would keep the thread waiting.
    file = os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC), "rb")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise FileNotFoundError(name)
    return file
