# SPDX-License-Identifier: GPL-3.0-or-later
"""The school's sums as CSV and JSON, for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from dataclasses import asdict, fields

from sugar_server.statistics.store import Sum

_COLUMNS = [field.name for field in fields(Sum)]


def as_csv(sums: Iterable[Sum]) -> str:
    """One sum a line, below a line of column names."""
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(_row(each) for each in sums)
    return text.getvalue()


def as_json(sums: Iterable[Sum]) -> str:
    """A list of objects, one for each sum."""
    return json.dumps([_row(each) for each in sums], indent=1) + "\n"


def _row(each: Sum) -> dict[str, object]:
    total: float | int = int(each.total) if each.total.is_integer() else each.total
    row = {**asdict(each), "total": total}
    # A name that begins like a formula would be one in a spreadsheet. Fields may begin with + or -.
    return {
        key: f"'{value}" if isinstance(value, str) and value[:1] in "=+-@" else value for key, value in row.items()
    }
