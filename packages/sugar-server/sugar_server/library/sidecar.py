# SPDX-License-Identifier: GPL-3.0-or-later
"""What the school says of a bundle: *.info files beside the bundles, as the XS school server had them.

Ini files: a section's name is a bundle id; keys are `description`, a text for the page, and `optional` (yes or no),
whether automatic updates leave the bundle out.
"""

from __future__ import annotations

import configparser
import logging
from dataclasses import dataclass
from pathlib import Path

_log = logging.getLogger(__name__)
_LARGEST = 1024 * 1024


@dataclass(frozen=True)
class Said:
    """Of one bundle."""

    description: str = ""
    optional: bool = False


class Sidecars:
    """The *.info files of a folder; of two that name the same bundle, the later name wins."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._state: tuple[tuple[str, int, int], ...] = ()
        self._said: dict[str, Said] = {}

    def state(self) -> object:
        """What tells whether any of them has changed; reads them anew if so."""
        state = []
        for path in sorted(self._folder.glob("*.info")):
            try:
                found = path.stat()
            except OSError:
                continue
            if found.st_size <= _LARGEST:
                state.append((path.name, found.st_size, found.st_mtime_ns))
        if tuple(state) != self._state:
            self._state = tuple(state)
            self._said = {}
            for name, _, _ in state:
                self._read(self._folder / name)
        return self._state

    def of(self, bundle_id: str) -> Said:
        return self._said.get(bundle_id, Said())

    def _read(self, path: Path) -> None:
        parser = configparser.RawConfigParser(strict=False, default_section="")
        try:
            parser.read_string(path.read_text(encoding="utf-8-sig"))
        except (OSError, UnicodeDecodeError, configparser.Error) as error:
            _log.warning("The library cannot read %s: %s.", ascii(path.name), " ".join(str(error).split()))
            return
        for section in parser.sections():
            description = " ".join(parser.get(section, "description", fallback="").split())
            optional = parser.get(section, "optional", fallback="no").strip() in {"yes", "1", "true"}
            self._said[section] = Said("".join(filter(str.isprintable, description))[:2000], optional)
