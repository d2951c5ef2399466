"""Errors as data with three parts: where, what, remedy. Only the CLI prints them or exits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Problem:
    """One fault in the deployer's input, at a 1-based line and column of a file."""

    file: str
    line: int
    column: int
    key: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}:{self.column}: {self.key}: {self.message}."
        return f"{text} {self.remedy}" if self.remedy else text


class DeployError(Exception):
    """Something failed; the message says what, the remedy what to do. Exit status 1."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}" if self.remedy else f"{self.message}."


class UsageError(DeployError):
    """The deployer asked for something that cannot be: wrong input or usage. Exit status 2."""

    exit_code = 2


class InvalidDeployment(UsageError):
    """The deployment file or one of its CSVs has faults: all of them, sorted."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(set(problems)))
        super().__init__("\n".join(str(problem) for problem in self.problems))

    def __str__(self) -> str:
        return self.message


def cause(error: Exception) -> str:
    """What a library complained of, in words for a person who reads no Python."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, KeyError):
        return f"it does not tell its {error.args[0]}"
    return str(error)
