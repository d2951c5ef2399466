"""pydantic's findings in a deployer's words, each with its remedy."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any, Literal, get_args, get_origin
from zoneinfo import available_timezones

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sugar_deploy.deployment.faults import REPORTED, Fault, Path, did_you_mean, quoted
from sugar_deploy.deployment.model import Deployment
from sugar_deploy.deployment.section import Section
from sugar_deploy.deployment.shape import Shape, at, leaves

_MAPPINGS = {"model_type", "dict_type", "model_attributes_type"}
_SUGGESTED = 200
"""Unknown keys of one section that are worth a suggestion; with more it is not a deployment's section."""
_LISTS = {"tuple_type", "list_type"}


def faults(error: ValidationError, above: Path = (), root: type[Section] = Deployment) -> Iterator[Fault]:
    """Every finding in a section of the class `root`, which stands at the path `above`."""
    found = error.errors(include_url=False)
    # A list is too short as well when an item is faulty, for that is not counted.
    faulty_lists = {each["loc"][:-1] for each in found if each["loc"] and isinstance(each["loc"][-1], int)}
    found = [each for each in found if each["input"] is not REPORTED and each["loc"] not in faulty_lists]
    misspelt = _misspelt(found)
    found = [each for each in found if each["loc"] not in misspelt]
    suggested = 0
    for details in found:
        if details["type"] == "extra_forbidden" and (suggested := suggested + 1) > _SUGGESTED:
            yield Fault((*above, *details["loc"]), "unknown key", "Delete it.", at_key=True)
        else:
            yield _fault(details, above, root)


def _misspelt(found: list[ErrorDetails]) -> set[tuple[str | int, ...]]:
    """Missing keys that are there, misspelt: one report is enough."""
    missing = {each["loc"] for each in found if each["type"] == "missing"}
    unknown = [each["loc"] for each in found if each["type"] == "extra_forbidden"][:_SUGGESTED]
    return {
        place
        for place in missing
        for other in unknown
        if place[:-1] == other[:-1] and did_you_mean(str(other[-1]), [str(place[-1])])
    }


def value_fault(error: ValidationError, found: Shape) -> tuple[str, str]:
    """Message and remedy for a single value."""
    return words(error.errors(include_url=False)[0], found)


def _fault(details: ErrorDetails, above: Path, root: type[Section]) -> Fault:
    place = details["loc"]
    # pydantic marks a mapping's faulty key with a last part of its own.
    is_key = bool(place) and place[-1] == "[key]"
    if is_key:
        place = place[:-1]
    path = (*above, *place)
    kind = details["type"]
    if kind == "missing":
        return Fault(path, "is missing", _missing(place, root))
    if kind == "extra_forbidden":
        return Fault(path, "unknown key", _unknown(place, root), at_key=True)
    if path == ("version",) and isinstance(details["input"], int):
        return Fault(path, f"{details['input']} is not known here", "Write 1, or use the sugar-deploy that knows it.")
    parent = at(place[:-1], root)
    found = parent.key() if is_key and parent else at(place, root)
    message, remedy = words(details, found)
    return Fault(path, message, remedy, at_key=is_key)


def _missing(path: Path, root: type[Section]) -> str:
    parent = at(path[:-1], root)
    section = parent.section if parent else None
    field = section.model_fields.get(str(path[-1])) if section else None
    return f"Add it: {_uncapitalised(field.description or '')}" if field else "Add it."


def _unknown(path: Path, root: type[Section]) -> str:
    parent = at(path[:-1], root)
    known = list(parent.section.model_fields) if parent and parent.section else []
    word = str(path[-1])
    near = did_you_mean(word, known)
    if near:
        return near
    elsewhere = [".".join(leaf) for leaf in leaves(root) if leaf[-1] == word and len(leaf) > 1]
    if 0 < len(elsewhere) <= 3:
        return f"It belongs to {' or '.join(leaf.rpartition('.')[0] for leaf in elsewhere)}."
    return f"Known here: {', '.join(sorted(known))}."


def words(details: ErrorDetails, found: Shape | None) -> tuple[str, str]:
    """Message and remedy for one finding about a value of this shape."""
    kind, value = details["type"], details["input"]
    listed = choices(found.type) if found else ()
    wanted = found.wanted if found else None
    if kind in _MAPPINGS or kind in _LISTS:
        return _container(kind, value, found)
    if value is None:
        return "has no value", "Write one, or delete the key."
    if listed:
        return _choice(value, listed)
    if kind in _BOUNDS:
        item = found.child(0) if found else None
        wanted = wanted or (item.wanted if item else None)
        return _BOUNDS[kind](details.get("ctx", {})), wanted.remedy if wanted else ""
    if isinstance(value, dict | list):
        return f"must be one value, not {_called(value)}", wanted.remedy if wanted else ""
    return _scalar(details, found)


def _choice(value: Any, listed: tuple[str, ...]) -> tuple[str, str]:
    if isinstance(value, str) and value in listed:
        return f"{quoted(value)} is text, not a number", f"Write {value} without quotes."
    near = did_you_mean(value, listed) if isinstance(value, str) else ""
    return f"{quoted(value)} is not known here", f"{near or 'Write'} {_or(listed, near)}."


def _container(kind: str, value: Any, found: Shape | None) -> tuple[str, str]:
    if kind in _LISTS:
        return f"must be a list, not {_called(value)}", "Put it in brackets: [first, second]."
    keys = ", ".join(found.section.model_fields) if found and found.section else "a name and a colon each"
    return f"must be a mapping, not {_called(value)}", f"Indent its keys below it: {keys}."


def _or(words: tuple[str, ...], near: str) -> str:
    listed = ", ".join(words[:-1]) + f" or {words[-1]}" if len(words) > 1 else words[0]
    return f"Known are {listed}" if near and len(words) > 1 else listed


def _scalar(details: ErrorDetails, found: Shape | None) -> tuple[str, str]:
    kind, value, context = details["type"], details["input"], details.get("ctx", {})
    wanted = found.wanted if found else None
    remedy = wanted.remedy if wanted else ""
    if not isinstance(value, str) and (kind == "string_type" or found is None or found.type not in {bool, int}):
        quote = f'Quote it if it is meant so: "{value}". ' if found is None or found.type is str else ""
        return f"must be text, not {_called(value)}", f"{quote}{remedy}".strip()
    if kind == "value_error":
        message = str(context["error"])
        suggestion = _suggestion(wanted.noun if wanted else "", str(value))
        shown = message if message.startswith(("must", "names", "holds")) else f"{quoted(value)} is {message}"
        return shown, suggestion or remedy
    if kind == "ip_v4_network" and isinstance(value, str) and "host bits" in details["msg"]:
        return f"{quoted(value)} is an address in a network, not the network's first", remedy
    if wanted:
        suggestion = _suggestion(wanted.noun, str(value))
        return f"{quoted(value)} is not {wanted.noun}", suggestion or remedy
    return f"{quoted(value)}: {_uncapitalised(details['msg'])}", ""


_BOUNDS: dict[str, Callable[[dict[str, Any]], str]] = {
    "greater_than_equal": lambda context: f"must be at least {context['ge']}",
    "less_than_equal": lambda context: f"must be at most {context['le']}",
    "string_too_short": lambda _context: "is empty",
    "string_too_long": lambda context: f"is longer than {context['max_length']} characters",
    "too_short": lambda context: f"must list at least {context['min_length']}",
}


def _suggestion(noun: str, value: str) -> str:
    """A value near the faulty one that would be right."""
    if noun == "a time zone":
        zones = available_timezones()
        last_parts = {zone.rpartition("/")[2]: zone for zone in zones}
        near = last_parts.get(value.strip().replace(" ", "_").title())
        return f'Did you mean "{near}"?' if near else did_you_mean(value.replace(" ", "_"), zones)
    if noun == "a host name":
        return _host_suggestion(value)
    candidates = {
        "a short name": slug(value),
        "a time of day": value.strip("“”\"' ").replace(".", ":").zfill(5),
        "an XO's serial number": re.sub(r"[\s-]", "", value).upper(),
        "a country": value.strip().upper(),
        "a locale": value.partition(".")[0].replace("-", "_"),
    }
    patterns = {
        "a short name": r"[a-z][a-z0-9-]*",
        "a time of day": r"(?:[01][0-9]|2[0-3]):[0-5][0-9]",
        "an XO's serial number": r"[A-Z]{3}[0-9A-F]{8}",
        "a country": r"[A-Z]{2}",
        "a locale": r"[a-z]{2,3}_[A-Z]{2}",
    }
    candidate = candidates.get(noun, "")
    return f'Did you mean "{candidate}"?' if candidate and re.fullmatch(patterns[noun], candidate) else ""


def slug(text: str) -> str:
    """The short name nearest to a text, accents left out: San Martín → san-martin; perhaps beginning with a digit."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:40].rstrip("-")


_ADDRESS = re.compile(r"(?:[a-z]+://)?(?:[^@/]*@)?(?P<host>[A-Za-z0-9.-]+?)\.?(?P<port>:[0-9]+)?(?:/.*)?")


def _host_suggestion(value: str) -> str:
    """What of a URL, of user@host or of host:port is the host."""
    match = _ADDRESS.fullmatch(value.strip())
    if not match or match["host"] == value or not re.search("[A-Za-z0-9]", match["host"]):
        return ""
    keys = " User and port have keys of their own." if "@" in value or match["port"] else ""
    return f'Did you mean "{match["host"]}"?{keys}'


def choices(kind: Any) -> tuple[str, ...]:
    """The words that a type has to choose from, if it lists them."""
    if get_origin(kind) is Literal:
        return tuple(str(each) for each in get_args(kind))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return tuple(str(member.value) for member in kind)
    return ()


def _called(value: Any) -> str:
    if isinstance(value, bool):
        return f"the truth value {str(value).lower()}"
    if isinstance(value, int):
        return f"the number {value}"
    if isinstance(value, str):
        return f"the text {quoted(value)}"
    return {type(None): "nothing", dict: "a mapping", list: "a list"}.get(type(value), "this")


def _uncapitalised(text: str) -> str:
    return text[:1].lower() + text[1:] if text[1:2].islower() else text
