# SPDX-License-Identifier: GPL-3.0-or-later
"""OLPC's canonical JSON: no blanks, names sorted, only `"` and `\\` escaped, so that line feeds stand in it raw."""

from __future__ import annotations

import json
from typing import Any

from olpc_security.rules import Refusal, Rule


def encode(value: Any) -> bytes:
    """Lists, tables, texts, whole numbers, true, false and null as canonical JSON; raises Refusal for others."""
    try:
        return _encoded(value).encode("utf-8")
    except UnicodeEncodeError:
        raise Refusal(Rule.CANONICAL, "half a surrogate pair cannot be written") from None


def decode(data: bytes) -> Any:
    """A canonical document's value; raises Refusal for any other, with the line and column of what differs."""
    value, end = decode_at(data, 0)
    if end != len(data):
        raise _at(data, end, "there is more behind the document's end")
    return value


def decode_at(data: bytes, start: int) -> tuple[Any, int]:
    """The canonical value that begins at START, and where it ends."""
    try:
        text = data[start:].decode("utf-8")
        # The library's parser takes raw line feeds if told so; what is not canonical comes out different again.
        value, end = json.JSONDecoder(strict=False).raw_decode(text)
    except UnicodeDecodeError as error:
        raise _at(data, start + error.start, "it is no UTF-8") from None
    except json.JSONDecodeError as error:
        place = start + len(text[: error.pos].encode("utf-8"))
        raise _at(data, place, f"it is no JSON: {error.msg}") from None
    except (ValueError, RecursionError):
        raise _at(data, start, "its numbers or its depth are beyond all measure") from None
    read = text[:end].encode("utf-8")
    again = encode(value)
    if again != read:
        same = next((n for n, (one, other) in enumerate(zip(read, again)) if one != other), len(again))
        raise _at(data, start + same, "from here on it is not canonical")
    return value, start + len(read)


def _encoded(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(_encoded(one) for one in value) + "]"
    if isinstance(value, dict) and all(isinstance(name, str) for name in value):
        return "{" + ",".join(f"{_encoded(name)}:{_encoded(value[name])}" for name in sorted(value)) + "}"
    raise Refusal(Rule.CANONICAL, f"a {type(value).__name__} cannot be written")


def _at(data: bytes, place: int, what: str) -> Refusal:
    before = data[:place]
    return Refusal(Rule.CANONICAL, what, before.count(b"\n") + 1, place - before.rfind(b"\n"))
