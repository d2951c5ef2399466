# SPDX-License-Identifier: GPL-3.0-or-later
"""XML-RPC as far as laptops speak it: one call in, one struct out, never a Fault.

Sugar reads a Fault as "Cannot connect to the server."; a struct with `success` other than `OK` and with
`error` is the only refusal that it understands.
"""

from __future__ import annotations

import re
import xmlrpc.client
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

MAXIMUM_BODY = 256 * 1024
_MAXIMUM_DEPTH = 32
_REPLACEMENT = "\ufffd"
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CHARACTER_REFERENCE = re.compile(r"&#(x[0-9A-Fa-f]{1,8}|[0-9]{1,10});")
_DECLARED_LATIN_1 = re.compile(rb"\A\s*<\?xml[^>]*encoding=[\"'](?:iso-8859-1|latin-1)[\"']", re.IGNORECASE)


class Malformed(ValueError):
    """The body is no XML-RPC call."""


@dataclass(frozen=True)
class Call:
    """A method's name and its arguments, of whatever types were sent."""

    method: str
    arguments: tuple[Any, ...]


def decode(body: bytes) -> Call:
    """The call in BODY; never expands entities and never nests deeply."""
    unmarshaller = xmlrpc.client.Unmarshaller(use_builtin_types=True)
    # What it is given is text already: there is nothing for it to decode.
    unmarshaller.xml(None, None)  # type: ignore[arg-type]
    parser = _parser(unmarshaller)
    try:
        parser.Parse(_text(body), True)
        arguments = unmarshaller.close()
    except Malformed:
        raise
    except Exception as error:  # the standard library's readers raise whatever int(), a lookup, … raises
        raise Malformed(f"the request is not XML-RPC ({type(error).__name__})") from error
    method = unmarshaller.getmethodname()
    if not isinstance(method, str):
        raise Malformed("the request names no method")
    return Call(method, tuple(arguments))


def encode(**members: str) -> bytes:
    """A reply that holds one struct of strings."""
    clean = {name: without_what_xml_forbids(value) for name, value in members.items()}
    return xmlrpc.client.dumps((clean,), methodresponse=True, encoding="utf-8").encode("utf-8")


def without_what_xml_forbids(text: str) -> str:
    """TEXT with control characters and half characters replaced, which databases and pages do not take either."""
    return _NOT_IN_XML.sub(_REPLACEMENT, text)


def accepted(jabberserver: str, backupurl: str) -> bytes:
    """The reply that makes the laptop a registered one."""
    return encode(success="OK", jabberserver=jabberserver, backupurl=backupurl)


def refused(reason: str) -> bytes:
    """The reply that refuses; the laptop only logs the reason."""
    return encode(success="ERR", error=reason)


def _text(body: bytes) -> str:
    """The body with everything that XML forbids replaced: a child may put any character into a nick,
    and Sugar sends it as it is. Serials and keys refuse the replacement by their own rules."""
    encoding = "latin-1" if _DECLARED_LATIN_1.match(body) else "utf-8"
    text = _NOT_IN_XML.sub(_REPLACEMENT, body.decode(encoding, "replace"))
    return _CHARACTER_REFERENCE.sub(_sound_reference, text)


def _sound_reference(match: re.Match[str]) -> str:
    number = match.group(1)
    code = int(number[1:], 16) if number.startswith("x") else int(number)
    if code > 0x10FFFF or _NOT_IN_XML.match(chr(code)):
        return _REPLACEMENT
    return match.group(0)


def _parser(unmarshaller: xmlrpc.client.Unmarshaller) -> expat.XMLParserType:
    parser = expat.ParserCreate()
    parser.buffer_text = True
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > _MAXIMUM_DEPTH:
            raise Malformed("the request is nested too deeply")
        unmarshaller.start(tag, attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        unmarshaller.end(tag)

    def doctype(*_: object) -> None:
        raise Malformed("the request has a document type, with which entities could be declared")

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = unmarshaller.data
    parser.StartDoctypeDeclHandler = doctype
    return parser
