"""The golden cases: a deployment in a folder each, and what rendering it adds to our own roles and playbooks.

After a wanted change, `python -m tests.unit.render.golden` writes expected/ anew, to be read in `git diff`.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from sugar_deploy.deployment.load import load
from sugar_deploy.folder import Folder
from sugar_deploy.render.project import render
from sugar_deploy.resources import resource
from sugar_deploy.scenario.resolve import resolve

CASES = sorted(path.parent for path in (Path(__file__).parent / "cases").glob("*/deployment.yml"))


def render_case(case: Path, out: Path) -> None:
    """Render a case."""
    folder = Folder(case)
    render(resolve(load(folder)), folder, out)


def files(folder: Path) -> dict[str, bytes]:
    """Relative path → bytes, of all files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def added(project: Path) -> dict[str, bytes]:
    """What rendering adds: all but the copies of roles, collections and playbooks."""
    playbooks = set(files(resource("playbooks")))
    return {
        name: data
        for name, data in files(project).items()
        if name.split("/")[0] not in {"roles", "collections"} and name not in playbooks
    }


def rewrite() -> None:
    """Write every case's expected/ anew."""
    for case in CASES:
        with tempfile.TemporaryDirectory() as scratch:
            project = Path(scratch) / "project"
            render_case(case, project)
            shutil.rmtree(case / "expected", ignore_errors=True)
            for name, data in added(project).items():
                path = case / "expected" / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)


if __name__ == "__main__":
    rewrite()
