"""The texts of which generated packages consist, as files beside this one."""

from __future__ import annotations

import re
from pathlib import Path

from sugar_deploy.errors import DeployError

_FOLDER = Path(__file__).parent
_PLACE = re.compile(r"@([a-z_]+)@")


def template(file: str, **values: str) -> str:
    """A template's text with each `@place@` filled in; a place without a value is a fault of the program."""
    try:
        text = (_FOLDER / file).read_text(encoding="utf-8")
    except OSError as error:
        raise DeployError(f"cannot read {error.filename}", "Install sugar-deploy again") from error
    return _PLACE.sub(lambda found: values[found[1]], text)
