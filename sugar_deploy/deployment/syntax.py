"""What YAML's parser says, in a deployer's words."""

from __future__ import annotations

import yaml

from sugar_deploy.errors import Problem

_SAYINGS: tuple[tuple[str, str, str], ...] = (
    (
        "mapping values are not allowed",
        'a ":" where no key can be',
        "Align the key with those beside it; put quotes around a value that holds a colon.",
    ),
    ("could not find expected ':'", 'a line without ":"', "Write `key: value`, or indent it if it continues one."),
    (
        "did not find expected ',' or",
        "a bracket that is not closed",
        "Close it, and put commas between its items.",
    ),
    ("found unexpected end of stream", "a quote that is not closed", "Close the quote."),
    ("unexpected document indicator", "a quote that is not closed", "Close the quote."),
    (
        "cannot start any token",
        "a value cannot begin with this character",
        "Put quotes around the value.",
    ),
    ("expected alphabetic or numeric", "a value cannot begin with * or &", "Put quotes around the value."),
    ("undefined tag handle", "tags (!) mean nothing here", "Put quotes around the value."),
    ("unknown escape character", "an unknown escape after a backslash", "Use single quotes, or write \\\\."),
    ("escape code", "an escape of no character", "Write the character itself."),
    (
        "block sequence entries are not allowed",
        'a "-" where no list can begin',
        "Begin the list on a line of its own.",
    ),
    ("did not find expected '-' indicator", "a key among a list's items", "Align it with the other keys."),
    ("incompatible YAML document", "written for another version of YAML", "Delete the line."),
    ("<document start>", "text after the end of the document", "Delete the line `...`."),
    (
        "did not find expected key",
        "not a key of the mapping that it stands in",
        "Align keys with those beside them; quote a value whole or not at all.",
    ),
)
_AT_THE_START = {
    "could not find expected ':'",
    "did not find expected ',' or",
    "found unexpected end of stream",
    "unexpected document indicator",
}


def syntax_problem(name: str, error: yaml.YAMLError) -> Problem:
    """The problem that the parser stopped at; nothing behind it could be read."""
    said = getattr(error, "problem", None) or "cannot be parsed"
    mark = getattr(error, "problem_mark", None)
    context = getattr(error, "context_mark", None)
    message, remedy = f"not YAML: {said}", "Correct the line, or the one before it."
    for part, ours, cure in _SAYINGS:
        if part in said:
            message, remedy = ours, cure
            # What has no end is better shown where it begins.
            mark = context if context is not None and part in _AT_THE_START else mark
            break
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    return Problem(name, line, column, "syntax", message, remedy)
