# SPDX-License-Identifier: GPL-3.0-or-later
"""The CSV of the school's laptops, as the deployer wrote it: its columns `serial` and `group` matter here."""

from __future__ import annotations

import csv
from pathlib import Path


class UnreadableLaptops(Exception):
    """The CSV cannot be used; with the remedy."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


def read_laptops(path: Path) -> dict[str, str | None]:
    """The serials in the CSV, in upper case, with the child's class where it is told."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if "serial" not in (rows.fieldnames or ()):
                raise UnreadableLaptops("has no column named serial", "Name the columns in its first line.")
            laptops = {_word(row, "serial").upper(): _word(row, "group") or None for row in rows}
    except OSError as error:
        raise UnreadableLaptops(
            f"cannot be read ({error.strerror})", "Put the CSV there, readable for the group sugar-server."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableLaptops("is not a CSV in UTF-8", "Save it as comma-separated values in UTF-8.") from error
    laptops.pop("", None)
    return laptops


def _word(row: dict[str, str | None], column: str) -> str:
    return (row.get(column) or "").strip()
