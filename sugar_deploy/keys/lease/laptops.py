"""Lists of laptops, a line each: SERIAL,UUID, as OLPC's tools have them, with or without quotes; and stolen ones."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from olpc_security.laptop import Laptop
from olpc_security.rules import Refusal, Rule

from sugar_deploy.errors import InvalidDeployment, Problem, UsageError
from sugar_deploy.files import write_atomically


def read_laptops(file: Path) -> list[Laptop]:
    """The laptops of a list, in its order; raises InvalidDeployment with every fault in it."""
    try:
        lines = file.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{file} is no text in UTF-8", "Write lines of SERIAL,UUID") from None
    found: dict[str, Laptop] = {}
    problems = []
    for number, line in enumerate(lines, start=1):
        fields = [field.strip(" \t\"'") for field in line.split(",")]
        if fields == [""] or (number == 1 and [field.lower() for field in fields] == ["serial", "uuid"]):
            continue
        try:
            laptop = _laptop(fields)
        except Refusal as refusal:
            problems.append(_problem(file, number, line, refusal))
            continue
        if laptop.serial in found:
            again = Refusal(Rule.SERIAL, f"{laptop.serial} stands in the list already")
            problems.append(_problem(file, number, line, again))
        found[laptop.serial] = laptop
    if problems:
        raise InvalidDeployment(problems)
    if not found:
        raise UsageError(f"there is no laptop in {file}", "Write lines of SERIAL,UUID")
    return list(found.values())


def read_stolen(file: Path) -> frozenset[str]:
    """The serial numbers in a list of stolen laptops, a line each; none where there is no list."""
    if not file.exists():
        return frozenset()
    return frozenset(line.strip() for line in file.read_text("utf-8").splitlines() if line.strip())


def add_stolen(file: Path, serials: Iterable[str]) -> None:
    """Put serial numbers on the list of stolen laptops."""
    known = read_stolen(file)
    wanted = known | {_serial(serial) for serial in serials}
    if wanted != known:
        write_atomically(file, "".join(f"{serial}\n" for serial in sorted(wanted)))


def _laptop(fields: list[str]) -> Laptop:
    if len(fields) != 2:
        raise Refusal(Rule.FIELDS, f"it has {len(fields)} fields")
    return Laptop(fields[0].upper(), fields[1].upper())


def _serial(text: str) -> str:
    any_uuid = "0" * 36
    try:
        return Laptop(text.upper(), any_uuid).serial
    except Refusal as refusal:
        raise UsageError(refusal.what, refusal.rule.words) from None


def _problem(file: Path, number: int, line: str, refusal: Refusal) -> Problem:
    column = line.find(",") + 2 if refusal.rule is Rule.UUID else 1
    return Problem(
        str(file), number, column, refusal.rule.slug, refusal.what, f"Write SERIAL,UUID: {refusal.rule.words}"
    )
