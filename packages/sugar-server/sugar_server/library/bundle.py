# SPDX-License-Identifier: GPL-3.0-or-later
"""What a bundle says of itself: activity.info of an .xo, library.info of an .xol, and the translations.

The rules are those of sugar3.bundle.activitybundle and contentbundle: what Sugar could not install is refused.
"""

from __future__ import annotations

import configparser
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO

from sugar_server.library import version as versions
from sugar_server.library.archive import Archive, Refused, opened

MIME_TYPES = {".xo": "application/vnd.olpc-sugar", ".xol": "application/vnd.olpc-content"}
_INFO = {".xo": ("activity/activity.info", "Activity"), ".xol": ("library/library.info", "Library")}
_LARGEST_INFO = 64 * 1024
_MOST_TRANSLATIONS = 200
_TRANSLATION = re.compile(r"locale/([A-Za-z]{2,3}(?:[_@.-][A-Za-z0-9]+)*)/activity\.linfo")
_READ_BY_SUGAR = (
    *("bundle_id", "service_name", "name", "exec", "class", "icon", "activity_version", "mime_types", "tags"),
    *("show_launcher", "summary", "description", "single_instance", "max_participants"),
    *("global_name", "bundle_class", "library_version", "locale", "activity_start"),
)


@dataclass(frozen=True)
class Words:
    """What a bundle calls itself in one language."""

    name: str
    summary: str = ""


@dataclass(frozen=True)
class Bundle:
    """A bundle that may be offered."""

    kind: str
    """.xo, an activity; or .xol, content."""
    bundle_id: str
    version: str
    words: Words
    translations: Mapping[str, Words] = field(default_factory=dict)
    """By language, as es or pt_BR."""
    warnings: tuple[str, ...] = ()

    @property
    def order(self) -> tuple[int, ...]:
        """By which versions are compared."""
        return versions.order(self.version)


def read(file: BinaryIO, kind: str, largest: int, thoroughly: bool = False) -> Bundle:
    """The bundle in a file, or Refused. THOROUGHLY also compares all contents with their checksums."""
    with opened(file, largest) as archive:
        name, section = _INFO[kind]
        if kind == ".xo" and not archive.top.endswith(".activity"):
            raise Refused("the name of its folder does not end in .activity")
        info = _Info(archive.read(name, _LARGEST_INFO), name, section)
        bundle = _activity(archive, info) if kind == ".xo" else _content(archive, info)
        damaged = archive.damaged() if thoroughly else None
        if damaged is not None:
            raise Refused(f"its file {damaged!a} is damaged")
        return bundle


class _Info:
    """One of the ini files, its values as they are written."""

    def __init__(self, content: bytes, name: str, section: str) -> None:
        self._file, self._section = name, section
        self._raw = configparser.RawConfigParser()
        try:
            self._raw.read_string(content.decode("utf-8"))
        except UnicodeDecodeError:
            raise Refused(f"its {name} is not UTF-8 text") from None
        except configparser.Error as error:
            raise Refused(f"its {name} cannot be read ({' '.join(str(error).split()):.200})") from None
        if not self._raw.has_section(section):
            raise Refused(f"its {name} has no section [{section}]")

    def get(self, *keys: str) -> str:
        """The value of the first key that is there; empty if none is."""
        there = [key for key in keys if self._raw.has_option(self._section, key)]
        return self._raw.get(self._section, there[0]) if there else ""

    def need(self, *keys: str) -> str:
        value = self.get(*keys)
        if not value:
            raise Refused(f"its {self._file} does not give {' or '.join(keys)}")
        return value

    def version(self, key: str) -> str:
        value = self.get(key) or "0"
        try:
            versions.order(value)
        except ValueError as error:
            raise Refused(f"{key} in its {self._file}: {error}") from None
        return value

    def identity(self, *keys: str) -> str:
        value = self.need(*keys)
        if len(value) > 255 or not value.isprintable() or any(character.isspace() for character in value):
            raise Refused(f"{keys[0]} in its {self._file} is no name without spaces")
        return value

    def warnings(self) -> list[str]:
        """Values whose % Sugar takes for the beginning of another key's name, and then cannot read."""
        values = [(key, self.get(key)) for key in _READ_BY_SUGAR]
        return [
            f"Sugar cannot read {key} in its {self._file}: write %% for %"
            for key, value in values
            if "%" in re.sub("%%", "", value)
        ]


def _activity(archive: Archive, info: _Info) -> Bundle:
    words = Words(_line(info.need("name")), _line(info.get("summary")))
    bundle_id = info.identity("bundle_id", "service_name")
    info.need("exec", "class")
    participants = info.get("max_participants")
    if participants and not re.fullmatch("[+-]?[0-9]{1,9}", participants):
        raise Refused(f"max_participants in its activity/activity.info is no number: {participants!a:.100}")
    warnings = info.warnings()
    icon = info.get("icon")
    if info.get("show_launcher") != "no" and not archive.has(f"activity/{icon}.svg"):
        warnings.append(f"it has no icon activity/{icon}.svg")
    if not info.get("license"):
        warnings.append("it does not name its license")
    return Bundle(
        ".xo", bundle_id, info.version("activity_version"), words, _translations(archive, words), tuple(warnings)
    )


def _content(archive: Archive, info: _Info) -> Bundle:
    bundle_id = info.identity("global_name")
    bundle_id = info.identity("bundle_class") if info.get("bundle_class") else bundle_id
    start = info.get("activity_start") or "index.html"
    if not archive.has(start):
        raise Refused(f"it has no start page {start!a:.100}")
    words = Words(_line(info.need("name")), _line(info.get("long_name")))
    return Bundle(".xol", bundle_id, info.version("library_version"), words, {}, tuple(info.warnings()))


def _translations(archive: Archive, words: Words) -> Mapping[str, Words]:
    found: dict[str, Words] = {}
    for file in archive.names():
        match = _TRANSLATION.fullmatch(file)
        if match is None or len(found) >= _MOST_TRANSLATIONS:
            continue
        try:
            info = _Info(archive.read(file, _LARGEST_INFO), file, "Activity")
        except Refused:
            continue  # Sugar goes without a translation that it cannot read.
        name, summary = _line(info.get("name")), _line(info.get("summary"))
        found[match.group(1)] = Words(name or words.name, summary or words.summary)
    return found


def _line(text: str) -> str:
    """A text of several lines on one, without what no page can show."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())[:1000]
