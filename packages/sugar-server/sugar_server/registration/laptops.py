# SPDX-License-Identifier: GPL-3.0-or-later
"""The CSV of the school's laptops, as the deployer wrote it.

Its columns `serial` and `group`, the child's class, are what matters here.
"""

from __future__ import annotations

import csv
from pathlib import Path


class UnreadableLaptops(Exception):
    """The CSV cannot be used; with the remedy."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


def read_serials(path: Path) -> frozenset[str]:
    """The serials in the CSV, in upper case."""
    return frozenset(read_groups(path))


def read_groups(path: Path) -> dict[str, str]:
    """By serial in upper case, the class, or "" where the CSV tells none."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            if "serial" not in (rows.fieldnames or ()):
                raise UnreadableLaptops("has no column named serial", "Name the columns in its first line.")
            groups = {(row["serial"] or "").strip().upper(): (row.get("group") or "").strip() for row in rows}
    except OSError as error:
        raise UnreadableLaptops(
            f"cannot be read ({error.strerror})", "Put the CSV there, readable for the group sugar-server."
        ) from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise UnreadableLaptops("is not a CSV in UTF-8", "Save it as comma-separated values in UTF-8.") from error
    groups.pop("", None)
    return groups
