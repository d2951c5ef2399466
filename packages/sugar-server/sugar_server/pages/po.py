# SPDX-License-Identifier: GPL-3.0-or-later
"""gettext's catalogues, read as translators write them (.po), so that there is nothing to compile or to forget.

A test compares what is read here with what msgfmt and the standard library make of the same file.
"""

from __future__ import annotations

import gettext
import re
from ast import literal_eval
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

_LINE = re.compile(r'(?:(msgid|msgid_plural|msgstr)(?:\[(\d)\])?\s+)?(".*")')
_PLURAL_FORMS = re.compile(r"^Plural-Forms:.*?plural=([^;\n]+)", re.MULTILINE)


class Catalogue(gettext.NullTranslations):
    """One language's messages; what is not translated stays as it is in the source."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._one: dict[str, str] = {}
        self._many: dict[str, dict[int, str]] = {}
        for entry in _entries(path.read_text(encoding="utf-8")):
            self._one[entry["msgid"]] = entry.get("msgstr", "")
            if "msgid_plural" in entry:
                self._many[entry["msgid"]] = {i: entry[f"msgstr{i}"] for i in range(4) if f"msgstr{i}" in entry}
        rule = _PLURAL_FORMS.search(self._one.get("", ""))
        # The standard library's own reader of the rule, which it uses for .mo files; there since Python 3.0.
        self._plural: Callable[[int], int] = gettext.c2py(rule.group(1) if rule else "n != 1")  # type: ignore[attr-defined]

    def gettext(self, message: str) -> str:
        return self._one.get(message) or message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        translated = self._many.get(msgid1, {}).get(self._plural(n))
        return translated or super().ngettext(msgid1, msgid2, n)


def _entries(text: str) -> Iterator[dict[str, str]]:
    """The messages, each with the texts of its keywords; fuzzy and obsolete ones are left out."""
    for paragraph in re.split(r"\n\s*\n", text):
        if re.search(r"^#,.*\bfuzzy\b", paragraph, re.MULTILINE):
            continue
        entry: dict[str, str] = {}
        keyword = ""
        for line in paragraph.splitlines():
            found = _LINE.fullmatch(line.strip())
            if found is None:
                continue
            word, number, quoted = found.groups()
            keyword = f"{word}{number or ''}" if word else keyword
            # A C string is a Python string as far as catalogues write them.
            entry[keyword] = entry.get(keyword, "") + literal_eval(quoted)
        if "msgid" in entry:
            yield entry
