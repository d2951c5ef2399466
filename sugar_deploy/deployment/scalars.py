"""Plain words of YAML: what they mean here, and those that mean different things to different readers.

Only true, false, null, whole numbers and text exist in the deployment file. Everything else that YAML 1.1 or 1.2
would make of an unquoted word (`no`, 08:30, 010, 1_000, 1.10, dates) is a fault with the remedy to quote it.
"""

from __future__ import annotations

import re
from typing import Any

from sugar_deploy.deployment.faults import shortened

_CONSTANTS: dict[str, Any] = {
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
    "null": None,
    "Null": None,
    "NULL": None,
}
_BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
_WHOLE = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FIRST = frozenset("0123456789+-.~yYnNoO")

_SURPRISES: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"[-+]?[0-9][0-9_]*(?::[0-9]{1,2})+(?:\.[0-9_]*)?"), "a number in base 60"),
    (re.compile(r"[-+]?0[0-9_]+"), "an octal number, or a decimal one"),
    (re.compile(r"[-+]?0(?:b[01_]+|o[0-7_]+|x[0-9a-fA-F_]+)"), "a number in another base"),
    (re.compile(r"[-+]?[0-9]+(?:_[0-9_]*)+"), "a number with its underscores dropped"),
    (re.compile(r"[-+]?[0-9]+"), "a number too large to be exact"),
    (
        re.compile(
            r"[-+]?(?:\.[0-9][0-9_]*|[0-9][0-9_]*\.[0-9_]*|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?[0-9]+)?"
            r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        ),
        "a decimal number, which loses its final zeros",
    ),
    (re.compile(r"[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt \t].*)?"), "a date"),
)


class SurprisingScalar(ValueError):
    """An unquoted word that YAML's readers do not agree on."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy


def plain(word: str) -> Any:
    """The value of an unquoted word; SurprisingScalar if readers of YAML differ on it."""
    if word in _CONSTANTS:
        return _CONSTANTS[word]
    if not word:
        raise SurprisingScalar("has no value", "Write one, or delete the key.")
    if word[0] not in _FIRST:
        return word
    if _WHOLE.fullmatch(word):
        return int(word)
    if word == "~":
        raise SurprisingScalar("~ stands for no value", 'Delete the key, or quote it as text: "~".')
    if word.lower() in _BOOLEANS and word in {word.lower(), word.upper(), word.capitalize()}:
        truth = _BOOLEANS[word.lower()]
        raise SurprisingScalar(
            f"unquoted {word} is {truth} to some readers of YAML and text to others",
            f'Write {truth}, or quote it as text: "{word}".',
        )
    for pattern, meaning in _SURPRISES:
        if pattern.fullmatch(word):
            shown = shortened(word)
            raise SurprisingScalar(f"unquoted {shown} is {meaning} in YAML", _remedy(word, shown))
    return word


def _remedy(word: str, shown: str) -> str:
    if re.fullmatch(r"[0-9]:[0-5][0-9]", word):
        return f'Quote it as text: "0{shown}".'
    digits = re.sub(r"\.0*$", "", word.replace("_", "").lstrip("+"))
    whole = digits.lstrip("0") or "0"
    if digits.isdigit() and len(digits) <= 18 and whole != word:
        return f'Write {whole} for a number, or quote it as text: "{shown}".'
    return f'Quote it as text: "{shown}".'
