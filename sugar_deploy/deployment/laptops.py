"""A school's laptops, from its CSV."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from sugar_deploy.deployment.model import Laptop
from sugar_deploy.deployment.source import Source
from sugar_deploy.deployment.table import Row, Table, read_table, unknown_column
from sugar_deploy.deployment.words import faults
from sugar_deploy.errors import Problem

SERIAL = "serial"
COLUMNS = tuple(Laptop.model_fields)
_LAPTOP: TypeAdapter[Laptop] = TypeAdapter(Laptop)
_PLACEHOLDERS = {"SHF00000000", "00000000-0000-0000-0000-000000000000"}


@dataclass(slots=True)
class Seen:
    """Where each serial and UUID of the deployment stands, so that none is given to two laptops."""

    places: dict[str, tuple[str, int]]

    def before(self, value: str, table: Table, row: Row) -> tuple[str, int] | None:
        """The file and line where a value stood before, if it did."""
        here = (table.name, row.line)
        there = self.places.setdefault(value, here)
        return None if there == here else there


def read_laptops(source: Source, seen: Seen, problems: list[Problem]) -> tuple[Laptop, ...]:
    """The laptops of a CSV, in its order, adding its faults to the problems."""
    table = read_table(source, SERIAL, COLUMNS, problems)
    if table is None:
        return ()
    columns = [(index, name) for index, name in enumerate(table.header) if name in COLUMNS]
    for index, name in enumerate(table.header):
        if name.strip() == name and name and name not in COLUMNS:
            problems.append(table.heading_problem(index, "unknown column", unknown_column(name, COLUMNS)))
    laptops: list[Laptop] = []
    for row in table.rows:
        try:
            laptop = _LAPTOP.validate_python({name: row.cells[index] for index, name in columns if row.cells[index]})
        except ValidationError as error:
            for fault in faults(error, (), Laptop):
                column = str(fault.path[0])
                problems.append(table.problem(row, column, column, fault.message, fault.remedy))
            continue
        problems += _twice(laptop, table, row, seen)
        laptops.append(laptop)
    return tuple(laptops)


def _twice(laptop: Laptop, table: Table, row: Row, seen: Seen) -> Iterator[Problem]:
    for column, value in ((SERIAL, laptop.serial), ("uuid", (laptop.uuid or "").lower())):
        if value in _PLACEHOLDERS:
            message = f"{value} is what every machine says that does not know its own"
            yield table.problem(row, column, column, message, "Read it from the laptop's label or About my computer.")
        elif value and (there := seen.before(value, table, row)):
            place = f"line {there[1]}" if there[0] == table.name else f"{there[0]}, line {there[1]}"
            yield table.problem(row, column, column, f"{value} is already in {place}", "Delete one of the two.")
