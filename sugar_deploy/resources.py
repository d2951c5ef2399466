"""Where the rooms beside the Python package are: roles, playbooks, inventories, collections, packages."""

from __future__ import annotations

from pathlib import Path

import yaml

_PACKAGE = Path(__file__).resolve().parent


def resource(name: str) -> Path:
    """The folder NAME of a source checkout, or of the installed wheel."""
    installed = _PACKAGE / "_resources" / name
    return installed if installed.exists() else _PACKAGE.parent / name


def model_names() -> tuple[str, ...]:
    """The models that there are image recipes for."""
    return tuple(sorted(path.stem for path in (resource("image") / "models").glob("*.yml")))


def model_suites(model: str) -> tuple[str, ...]:
    """The Debian releases that a model's images are made of, the default one first."""
    text = (resource("image") / "models" / f"{model}.yml").read_text(encoding="utf-8")
    return tuple(suite["name"] for suite in yaml.safe_load(text)["suites"])
