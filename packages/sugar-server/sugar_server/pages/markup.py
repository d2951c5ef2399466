# SPDX-License-Identifier: GPL-3.0-or-later
"""HTML from templates that escape by themselves.

A template is a literal of ours in the form of str.format; whatever goes into its {places} is escaped unless it is
Html already. So a nick can never become a tag, an attribute or a change of the writing's direction. The values of
attributes stand in double quotes, always; a test holds that.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape
from typing import Union

_UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"
    # Marks, embeddings, overrides and isolates that turn the text after them around (Unicode's UAX 9), invisibly.
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
    # What no HTML may hold: halves of pairs, and the last two code points of the planes.
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff"
    + "".join(chr(plane << 16 | last) for plane in range(1, 17) for last in (0xFFFE, 0xFFFF))
    + "]"
)
_REPLACEMENT = "\ufffd"


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Value = Union[str, int, None, Iterable["Value"]]
"""What goes into a template: text is escaped, None is nothing, of several each comes after the other."""


def html(template: str, **values: Value) -> Html:
    """The template with the values in its places, escaped."""
    return Html(template.format_map({name: _safe(value) for name, value in values.items()}))


def clean(text: str) -> str:
    """The text without characters that no page may hold or that turn others around."""
    return _UNPRINTABLE.sub(_REPLACEMENT, text)


def _safe(value: Value) -> str:
    if isinstance(value, Html):
        return value
    if isinstance(value, str):
        return escape(clean(value), quote=True)
    if value is None:
        return ""
    if isinstance(value, int):
        return str(value)
    return "".join(map(_safe, value))
