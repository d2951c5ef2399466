"""Schools from a CSV: one a row, columns named by dotted keys of a school."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, get_origin

from pydantic import TypeAdapter, ValidationError

from sugar_deploy.deployment.faults import Fault, dotted, quoted
from sugar_deploy.deployment.model import School
from sugar_deploy.deployment.names import name_fault
from sugar_deploy.deployment.salvage import Salvaged, salvage
from sugar_deploy.deployment.shape import Shape, at, leaves
from sugar_deploy.deployment.source import Source
from sugar_deploy.deployment.table import Row, Table, read_table, unknown_column
from sugar_deploy.deployment.words import faults
from sugar_deploy.errors import Problem

NAME = "name"
_SCHOOL: TypeAdapter[School] = TypeAdapter(School)
_TRUTH = {"true": True, "false": False}
_WHOLE = re.compile(r"0|-?[1-9][0-9]{0,17}")

Convert = Callable[[str], Any]
Column = tuple[int, str, tuple[str, ...], str, Convert | None]
"""Index, name, sections above, key, and what makes a value of a cell that is not text."""


@dataclass(frozen=True, slots=True)
class SchoolRows:
    """The schools of a CSV, the row of each, and what is sound of the faulty ones."""

    table: Table
    schools: dict[str, School]
    rows: dict[str, Row]
    salvaged: dict[str, Salvaged[School]]

    def problem(self, fault: Fault) -> Problem:
        """A fault of one of these schools, in its place."""
        column = self._column([part for part in fault.path[2:] if isinstance(part, str)])
        row = self.rows[str(fault.path[1])]
        return self.table.problem(row, column, dotted(fault.path), fault.message, fault.remedy)

    def _column(self, key: list[str]) -> str:
        for length in range(len(key), 0, -1):
            exact = ".".join(key[:length])
            for column in self.table.header:
                if f"{column}.".startswith(f"{exact}.") and at(tuple(column.split(".")), School):
                    return column
        return NAME


def known_columns() -> tuple[str, ...]:
    """The columns that such a CSV may have."""
    return (NAME, *(".".join(path) for path, found in leaves(School).items() if get_origin(found.type) is not dict))


def read_schools(source: Source, problems: list[Problem]) -> SchoolRows | None:
    """The schools of a CSV, adding its faults to the problems."""
    table = read_table(source, NAME, known_columns(), problems)
    if table is None:
        return None
    columns = list(_columns(table, problems))
    name_index = table.header.index(NAME)
    rows: dict[str, Row] = {}
    schools: dict[str, School] = {}
    found = SchoolRows(table, schools, rows, {})
    for row in table.rows:
        name = row.cells[name_index]
        if name in rows:
            message = f"{quoted(name)} is already the school of line {rows[name].line}"
            problems.append(table.problem(row, NAME, NAME, message, "Give each school a name of its own."))
            continue
        rows[name] = row
        if fault := name_fault(name):
            problems.append(found.problem(fault))
        data = _school(row.cells, columns)
        try:
            schools[name] = _SCHOOL.validate_python(data)
        except ValidationError as error:
            problems += map(found.problem, faults(error, ("schools", name), School))
            if part := salvage(_SCHOOL, School, data):
                found.salvaged[name] = part
    return found


def _school(cells: list[str], columns: list[Column]) -> dict[str, Any]:
    school: dict[str, Any] = {}
    for index, _name, above, key, convert in columns:
        cell = cells[index]
        if cell:
            section = school
            for part in above:
                section = section.setdefault(part, {})
            section[key] = convert(cell) if convert else cell
    return school


def _columns(table: Table, problems: list[Problem]) -> Iterator[Column]:
    known = known_columns()
    for index, name in enumerate(table.header):
        if name == NAME or not name.strip() or name != name.strip():
            continue
        path = tuple(name.split("."))
        found = at(path, School)
        if found is None:
            problems.append(table.heading_problem(index, "unknown column", unknown_column(name, known)))
        elif found.section or get_origin(found.type) is dict:
            below = [column for column in known if column.startswith(f"{name}.")] or [f"{name}.<key>"]
            some = ", ".join(below[:4]) + (" …" if len(below) > 4 else "")
            remedy = f"Name one key for each column: {some}."
            problems.append(table.heading_problem(index, "a column holds one value, this is a section", remedy))
        else:
            yield index, name, path[:-1], path[-1], _converter(found)


def _converter(found: Shape) -> Convert | None:
    if found.type is bool:
        return lambda cell: _TRUTH.get(cell.lower(), cell)
    if found.type is int or _whole_choices(found):
        return lambda cell: int(cell) if _WHOLE.fullmatch(cell) else cell
    if get_origin(found.type) is tuple:
        item = found.child(0)
        convert = _converter(item) if item else None
        return lambda cell: [convert(each) if convert else each for each in cell.split()]
    return None


def _whole_choices(found: Shape) -> bool:
    choices = getattr(found.type, "__args__", ())
    return bool(choices) and all(isinstance(choice, int) for choice in choices)
