# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings: INI files in layers, every fault found at once and told with its remedy.

From the weakest to the strongest layer: the vendors' /usr/lib/sugar-server/conf.d/*.conf, then
/etc/sugar-server/sugar-server.conf, then /etc/sugar-server/conf.d/*.conf. A file in the last folder hides a
vendor's file of the same name.
"""

from __future__ import annotations

import configparser
import difflib
import platform
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from sugar_server.antitheft import settings as antitheft
from sugar_server.backup import settings as backup
from sugar_server.database import settings as database
from sugar_server.library import settings as library
from sugar_server.pages import settings as pages
from sugar_server.registration import settings as registration
from sugar_server.registration.laptops import UnreadableLaptops, read_laptops
from sugar_server.repository import settings as repository
from sugar_server.statistics import settings as statistics
from sugar_server.values import Keys, Wrong, host, mebibytes, title

S = TypeVar("S")

VENDOR = Path("usr/lib/sugar-server/conf.d")
MAIN = Path("etc/sugar-server/sugar-server.conf")
LOCAL = Path("etc/sugar-server/conf.d")
SECTIONS: Mapping[str, Keys] = {
    "server": {"fqdn": host, "title": title},
    "database": database.KEYS,
    "registration": registration.KEYS,
    "statistics": statistics.KEYS,
    "backup": backup.KEYS,
    "antitheft": antitheft.KEYS,
    "library": library.KEYS,
    "repository": repository.KEYS,
    "pages": pages.KEYS,
    "health": {"minimum_free_mib": mebibytes},
}
"""Every section with its keys: a room's are beside its settings."""


@dataclass(frozen=True, order=True)
class Fault:
    """Something wrong in a settings file."""

    file: str
    line: int
    key: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.key}: {self.message}. {self.remedy}"


class InvalidConfig(Exception):
    """The settings have faults: all of them, sorted."""

    def __init__(self, faults: list[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(str(fault) for fault in self.faults))


@dataclass(frozen=True)
class Config:
    """The daemon's settings, checked."""

    fqdn: str
    title: str
    minimum_free_bytes: int
    registration: registration.RegistrationSettings
    statistics: statistics.StatisticsSettings = field(default_factory=statistics.StatisticsSettings)
    database: database.DatabaseSettings = field(default_factory=database.DatabaseSettings)
    backup: backup.BackupSettings = field(default_factory=backup.BackupSettings)
    library: library.LibrarySettings = field(default_factory=library.LibrarySettings)
    repository: repository.RepositorySettings = field(default_factory=repository.RepositorySettings)
    pages: pages.PagesSettings = field(default_factory=pages.PagesSettings)
    antitheft: antitheft.AntitheftSettings = field(default_factory=antitheft.AntitheftSettings)


class _Reader:
    """Collects values and faults from one file after the other; a later file's value wins."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.values: dict[str, Any] = {}
        self.origins: dict[str, tuple[str, int]] = {}
        self.faults: list[Fault] = []

    def read(self, path: Path) -> None:
        parser = configparser.ConfigParser(
            interpolation=None, delimiters=("=",), default_section="", empty_lines_in_values=False
        )
        shown = "/" + str(path.relative_to(self.root))
        try:
            text = path.read_text(encoding="utf-8-sig")
            parser.read_string(text, source=shown)
        except (OSError, UnicodeDecodeError, configparser.Error) as error:
            self.faults.append(_unreadable(shown, error))
            return
        for section in parser.sections():
            if section not in SECTIONS:
                line = _line(text, section)
                self._fault(shown, line, f"[{section}]", "unknown section", _did_you_mean(section, SECTIONS))
                continue
            for key, value in parser.items(section):
                self._take(shown, _line(text, section, key), section, key, value)

    def _take(self, file: str, line: int, section: str, key: str, value: str) -> None:
        name = f"[{section}] {key}"
        parse = SECTIONS[section].get(key)
        if parse is None:
            self._fault(file, line, name, "unknown key", _did_you_mean(key, SECTIONS[section]))
            return
        try:
            self.values[f"{section}.{key}"] = parse(value)
            self.origins[f"{section}.{key}"] = (file, line)
        except Wrong as wrong:
            self._fault(file, line, name, wrong.message, wrong.remedy)

    def _fault(self, file: str, line: int, key: str, message: str, remedy: str) -> None:
        self.faults.append(Fault(file, line, key, message, remedy))

    def settings(self, section: str, kind: type[S]) -> S:
        """A section's settings: what the files say, and KIND's own defaults."""
        given = {each.name: f"{section}.{each.name}" for each in fields(kind)}
        return kind(**{name: self.values[key] for name, key in given.items() if key in self.values})

    def laptops(self) -> dict[str, str | None]:
        """The school's laptops by serial, with their groups, as far as there is a list of them."""
        path = self.values.get("registration.laptops")
        if path is None:
            if self.values.get("registration.who") == "listed":
                file, line = self.origins["registration.who"]
                self._fault(
                    file, line, "[registration] laptops", "is needed when who = listed", "Write the path of the CSV."
                )
            return {}
        try:
            return read_laptops(self.root / path.lstrip("/"))
        except UnreadableLaptops as error:
            file, line = self.origins["registration.laptops"]
            self._fault(file, line, "[registration] laptops", f"{path}: {error.message}", error.remedy)
            return {}

    def registration(self) -> registration.RegistrationSettings:
        laptops = self.laptops()
        return replace(
            self.settings("registration", registration.RegistrationSettings),
            listed=frozenset(laptops) if self.values.get("registration.who") == "listed" else None,
            groups={serial: group for serial, group in laptops.items() if group},
        )


def files(root: Path) -> list[Path]:
    """The settings files below ROOT, the weakest first."""
    local = {path.name: path for path in sorted((root / LOCAL).glob("*.conf"))}
    vendor = [path for path in sorted((root / VENDOR).glob("*.conf")) if path.name not in local]
    main = root / MAIN
    return [*vendor, *([main] if main.exists() else []), *local.values()]


def load(root: Path) -> Config:
    """The settings below ROOT, or InvalidConfig with all their faults."""
    reader = _Reader(root)
    for path in files(root):
        reader.read(path)
    registering = reader.registration()
    if reader.faults:
        raise InvalidConfig(reader.faults)
    fqdn = reader.values.get("server.fqdn") or _own_name()
    return Config(
        fqdn=fqdn,
        title=reader.values.get("server.title") or fqdn,
        minimum_free_bytes=reader.values.get("health.minimum_free_mib", 64 * 1024 * 1024),
        statistics=reader.settings("statistics", statistics.StatisticsSettings),
        registration=registering,
        database=reader.settings("database", database.DatabaseSettings),
        backup=reader.settings("backup", backup.BackupSettings),
        library=reader.settings("library", library.LibrarySettings),
        repository=reader.settings("repository", repository.RepositorySettings),
        pages=reader.settings("pages", pages.PagesSettings),
        antitheft=reader.settings("antitheft", antitheft.AntitheftSettings),
    )


def _own_name() -> str:
    """The machine's own name, where the settings give none, so that the package works as installed."""
    try:
        return host(platform.node())
    except Wrong:
        return "schoolserver"


def _did_you_mean(word: str, known: Mapping[str, object]) -> str:
    near = difflib.get_close_matches(word, known, 1)
    return f'Did you mean "{near[0]}"?' if near else f"Known are: {', '.join(known)}."


def _unreadable(file: str, error: Exception) -> Fault:
    line = getattr(error, "lineno", None) or 1
    for number, _ in getattr(error, "errors", ())[:1]:  # what ParsingError has instead
        line = number
    if isinstance(error, configparser.DuplicateOptionError):
        return Fault(file, line, f"[{error.section}] {error.option}", "is there twice", "Remove one of them.")
    if isinstance(error, configparser.DuplicateSectionError):
        return Fault(file, line, f"[{error.section}]", "is there twice", "Write its keys under one heading.")
    if isinstance(error, UnicodeDecodeError):
        return Fault(file, 1, "the file", "is not UTF-8 text", "Save it as UTF-8.")
    if isinstance(error, OSError):
        return Fault(file, 1, "the file", f"cannot be read ({error.strerror})", "Make it readable for sugar-server.")
    return Fault(file, line, "the file", "is not made of [sections] and key = value lines", "Correct that line.")


def _line(text: str, section: str, key: str | None = None) -> int:
    """The 1-based line of a section's heading, or of a key in it."""
    within = False
    for number, line in enumerate(text.split("\n"), 1):
        heading = line.strip()
        if heading.startswith("[") and "]" in heading:
            within = heading[1 : heading.rindex("]")] == section
            if within and key is None:
                return number
        elif within and key is not None and line.partition("=")[0].strip().lower() == key:
            return number
    return 1
