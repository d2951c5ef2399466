"""A CSV as a header and rows, with every fault of its writing; places are computed only when a fault needs one."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import Enum, auto

from sugar_deploy.deployment.faults import did_you_mean, quoted, shortened
from sugar_deploy.deployment.source import MAX_REPORTED, Source
from sugar_deploy.deployment.tree import Place
from sugar_deploy.errors import Problem

_OTHER_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "bars"}


@dataclass(frozen=True, slots=True)
class Row:
    """A row's cells, as many as the header has, and the line where it begins."""

    line: int
    cells: list[str]


@dataclass(frozen=True, slots=True)
class Table:
    """A whole CSV."""

    name: str
    lines: list[str]
    header: list[str]
    rows: list[Row]

    def problem(self, row: Row, column: str, key: str, message: str, remedy: str) -> Problem:
        """A problem with a cell, in its place; with the row's first cell if there is no such column."""
        index = self.header.index(column) if column in self.header else 0
        line, position = cell_place(self.lines, row.line, index)
        return Problem(self.name, line, position, key, message, remedy)

    def heading_problem(self, index: int, message: str, remedy: str) -> Problem:
        """A problem with a column's name."""
        line, position = cell_place(self.lines, 1, index)
        name = self.header[index] if index < len(self.header) else ""
        return Problem(self.name, line, position, shortened(name) or "header", message, remedy)


def read_table(source: Source, required: str, known: Collection[str], problems: list[Problem]) -> Table | None:
    """The rows of a CSV; None if it has no usable header. Rows with faults of their own are left out."""
    lines = list(io.StringIO(source.text, newline=""))
    reader = csv.reader(lines, strict=True)
    header: list[str] = []
    rows: list[Row] = []
    count, padded, before = 0, False, len(problems)
    try:
        header = next(reader, [])
        line = reader.line_num + 1
        for cells in reader:
            if len(cells) == len(header):
                if any(cells):
                    rows.append(Row(line, cells))
                    padded = padded or any(cell != cell.strip() for cell in cells)
            elif cells:
                count += 1
                if count <= MAX_REPORTED:
                    problems.append(_ragged(source.name, lines, line, cells, header))
            line = reader.line_num + 1
    except csv.Error as error:
        problems.append(_quoting(source.name, lines, str(error), reader.line_num))
    table = Table(source.name, lines, header, rows)
    if any(header) and not {each.strip() for each in header} & set(known):
        # Another file altogether: what is wrong with its rows would bury that.
        del problems[before:]
        padded = False
    problems += _heading(table, required, known)
    if padded:
        problems += list(_padded(table))[:MAX_REPORTED]
    return None if required not in header else table


def _ragged(name: str, lines: list[str], line: int, cells: list[str], header: list[str]) -> Problem:
    if len(cells) > len(header):
        _line, column = cell_place(lines, line, len(header))
        message = f"has {len(cells)} cells, {len(header)} are named in the header"
        return Problem(name, line, column, "row", message, "Put quotes around a cell that holds a comma.")
    message = f"has only {len(cells)} of {len(header)} cells"
    return Problem(name, line, 1, "row", message, "Write a comma for each cell that stays empty.")


def _padded(table: Table) -> Iterator[Problem]:
    for row in table.rows:
        for column, cell in zip(table.header, row.cells, strict=True):
            if cell != cell.strip():
                message = f"{quoted(cell)} begins or ends with a space"
                yield table.problem(row, column, shortened(column), message, f"Write {quoted(cell.strip())}.")
        row.cells[:] = [cell.strip() for cell in row.cells]


def _heading(table: Table, required: str, known: Collection[str]) -> Iterator[Problem]:
    name, header = table.name, table.header
    if not any(header):
        yield Problem(name, 1, 1, "header", "the first line names no columns", f"Begin it with {required}.")
        return
    for sign, plural in _OTHER_DELIMITERS.items():
        if len(header) == 1 and sign in header[0]:
            remedy = "Save it as comma-separated values; a spreadsheet asks for the separator when it saves."
            yield Problem(name, 1, 1, "header", f"columns are separated by {plural}", remedy)
            return
    if required not in header:
        stripped = [each.strip() for each in header]
        if not set(stripped) & set(known):
            near = [column for column in known if column in {each.lower() for each in stripped}]
            remedy = f"Write the columns' names into the first line: {', '.join(list(known)[:4])} …"
            if near:
                remedy = f"Write the columns' names in small letters: {', '.join(near[:4])}."
            yield Problem(name, 1, 1, "header", "the first line names no known column", remedy)
            return
        yield Problem(name, 1, 1, "header", f"the column {required} is missing", f"Add a column named {required}.")
    for column, times in Counter(header).items():
        if times > 1 and column:
            second = header.index(column, header.index(column) + 1)
            yield table.heading_problem(second, "the column is there twice", "Delete one of them.")
    for index, column in enumerate(header):
        if not column.strip():
            yield table.heading_problem(index, f"column {index + 1} has no name", "Name it, or delete the column.")
        elif column != column.strip():
            yield table.heading_problem(index, "spaces around the column's name", f"Write {quoted(column.strip())}.")


def unknown_column(column: str, known: Collection[str]) -> str:
    """The remedy for a column that there is none of."""
    return did_you_mean(column, known) or f"Known columns: {', '.join(known)}."


class _In(Enum):
    START = auto()
    BARE = auto()
    QUOTES = auto()
    CLOSED = auto()


def _cells(lines: list[str], first_line: int) -> Iterator[tuple[Place, Place | None]]:
    """The place of each cell's beginning from a line on and, if its quoting is faulty, the place of that."""
    state, start = _In.START, (first_line, 1)
    fault: Place | None = None
    for number in range(first_line, len(lines) + 1):
        for column, sign in enumerate(lines[number - 1], 1):
            if state is _In.QUOTES:
                state = _In.CLOSED if sign == '"' else state
            elif sign == '"' and state is not _In.BARE:
                # A quote that follows a closing one stands for itself.
                state = _In.QUOTES
            elif sign in ",\r\n":
                yield start, fault
                state, fault = _In.START, None
                start = (number, column + 1) if sign == "," else (number + 1, 1)
                if sign != ",":
                    break
            elif state is _In.CLOSED:
                fault = fault or (number, column)
            else:
                state = _In.BARE
    yield start, start if state is _In.QUOTES else fault


def cell_place(lines: list[str], line: int, index: int) -> Place:
    """Where a row's cell begins; the row's own beginning if it has fewer cells."""
    for count, (place, _fault) in enumerate(_cells(lines, line)):
        if count == index:
            return place
    return line, 1


def _quoting(name: str, lines: list[str], said: str, line: int) -> Problem:
    faults = (fault for _start, fault in _cells(lines, 1) if fault)
    place = next(faults, None)
    if place is None:
        return Problem(name, max(line, 1), 1, "row", f"cannot be read: {said}", "Correct the row's quotes.")
    if place[0] <= len(lines) and lines[place[0] - 1][place[1] - 1 : place[1]] == '"':
        return Problem(name, *place, "row", "a quote that is not closed", "Close it.")
    return Problem(name, *place, "row", "text after a closing quote", 'Write a quote inside a cell twice: "".')
