"""What machines install stands on its own feet: packages/ imports nothing that only the deployer's machine has.

`lint-imports` holds the rooms of sugar_deploy apart; these files are no part of that package.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGES = Path(__file__).parents[3] / "packages"
NOT_FOR_PACKAGES = frozenset({"sugar_deploy"})
# A laptop with 256 MB may be a server: the daemon starts small, from what Debian has everywhere.
NOT_FOR_THE_DAEMON = NOT_FOR_PACKAGES | {"ansible", "click", "jinja2", "paramiko", "pydantic"}


def programs(folder: Path) -> list[Path]:
    """Every Python file below it, whatever it is called."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sorted(path for path in files if path.suffix == ".py" or _first_line(path).endswith(b"python3"))


def _first_line(path: Path) -> bytes:
    with path.open("rb") as file:
        line = file.readline(100).strip()
    return line if line.startswith(b"#!") else b""


def imported(source: str) -> Iterator[str]:
    """The top-level packages that a source imports, wherever in it; its own relative ones left out."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and _imports_by_name(node.func):
            names = [word.value for word in node.args[:1] if isinstance(word, ast.Constant)]
            yield from (str(name).partition(".")[0] for name in names)


def _imports_by_name(function: ast.expr) -> bool:
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in {"import_module", "__import__"}


def test_there_are_programs_to_look_at() -> None:
    names = {path.relative_to(PACKAGES).parts[0] for path in programs(PACKAGES)}
    assert {"sugar-server", "sugaroid"} <= names


@pytest.mark.parametrize("path", programs(PACKAGES), ids=lambda path: str(path.relative_to(PACKAGES)))
def test_packages_import_nothing_of_the_deployers_machine(path: Path) -> None:
    daemon = path.relative_to(PACKAGES).parts[0] == "sugar-server"
    forbidden = NOT_FOR_THE_DAEMON if daemon else NOT_FOR_PACKAGES
    assert forbidden.intersection(imported(path.read_text("utf-8"))) == set()


@pytest.mark.parametrize(
    "source",
    [
        "import click",
        "import os, click.testing",
        "from click import echo",
        "from click.types import Path as P",
        "def late():\n    import click",
        "import importlib\nimportlib.import_module('click.core')",
        "__import__('click')",
    ],
)
def test_an_import_is_found_wherever_it_is(source: str) -> None:
    assert "click" in set(imported(source))


def test_a_neighbour_is_not_mistaken() -> None:
    assert set(imported("from . import click\nfrom .click import echo\nimport clicker\n")) == {"clicker"}
