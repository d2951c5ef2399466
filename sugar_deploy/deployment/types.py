"""The deployment file's scalar types, each with the rule that its value obeys and the words that explain it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import PurePosixPath
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, Strict

_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)")
_IPV4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])(?:\.(?!$)|$)){4}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_NOBODY = (IPv4Network("0.0.0.0/8"), IPv4Network("224.0.0.0/3"))
_NO_CONTROLS = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a value should be: `noun` completes "is not …", `remedy` says how to write one."""

    noun: str
    remedy: str


def _text(value: Any) -> Any:
    # ipaddress would take a whole number or bytes for an address.
    if not isinstance(value, str | IPv4Address | IPv4Interface | IPv4Network):
        raise ValueError("must be text")
    return value


def _domain(value: str) -> str:
    labels = value.split(".")
    if len(value) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise ValueError("not a DNS name")
    if labels[-1].isdigit():
        raise ValueError("not a DNS name, for its last part is a number")
    if labels[-1].lower() == "local":
        raise ValueError("names in .local belong to multicast DNS, which laptops ask instead of the server")
    return value.lower()


def _host(value: str) -> str:
    if ":" in value and re.fullmatch(r"[0-9A-Fa-f:.]+", value):
        raise ValueError("no IPv4 address")
    if not re.fullmatch(r"[0-9.]+", value):
        return _domain(value)
    if not _IPV4.fullmatch(value):
        raise ValueError("neither a host name nor an IPv4 address")
    if any(IPv4Address(value) in block for block in _NOBODY):
        raise ValueError("no single machine's address")
    return value


def _interface(value: str) -> str:
    if value == "lo":
        raise ValueError("the machine's own loopback, which leads to nobody")
    return value


def _ssid(value: str) -> str:
    if (size := len(value.encode())) > 32:
        raise ValueError(f"{size} bytes long in UTF-8, where an accented letter is two; 32 are possible")
    return value


def _timezone(value: str) -> str:
    # These folders and files lie beside the zones, but no server has them by that name.
    if value.split("/", 1)[0] in {"posix", "right", "posixrules", "localtime", "Factory"}:
        raise ValueError("not an IANA time zone")
    try:
        ZoneInfo(value)
    except (OSError, ValueError, KeyError):
        raise ValueError("not an IANA time zone") from None
    return value


def _relative(value: str) -> str:
    path = PurePosixPath(value)
    if not value or path.is_absolute() or ".." in path.parts or _CONTROL.search(value):
        raise ValueError("not a path inside the deployment's folder")
    # One file has one name: `./a.csv` is a.csv.
    return str(path)


NO_SECURITY = "none"
"""In the place of a mirror of security updates: there is none."""


def _url(value: str) -> str:
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("not an http or https URL") from None
    odd = not re.fullmatch(r"[!-~]+", value) or parts.query or parts.fragment
    if parts.scheme not in {"http", "https"} or not host or odd:
        raise ValueError("not an http or https URL")
    if parts.username or parts.password:
        raise ValueError("holds a user name or password, which would be readable on every server")
    return value.rstrip("/")


Flag = Annotated[bool, Strict(), Wanted("true or false", "Write true or false, without quotes.")]
Count = Annotated[int, Strict(), Wanted("a whole number", "Write a whole number, without quotes.")]
Port = Annotated[
    int, Strict(), Field(ge=1, le=65535), Wanted("a port", "Write a number from 1 to 65535, without quotes.")
]
Slug = Annotated[
    str,
    Field(pattern=r"^[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?$"),
    Wanted(
        "a short name",
        "Use lower-case letters, digits and hyphens, a letter first, at most 40 of them, as san-martin.",
    ),
]
Title = Annotated[
    str,
    Field(min_length=1, max_length=200, pattern=_NO_CONTROLS),
    Wanted("a title", "Write one line of at most 200 characters."),
]
DomainName = Annotated[
    str, AfterValidator(_domain), Wanted("a DNS name", "Write a DNS name, as escuelas.example.org.")
]
HostName = Annotated[
    str,
    AfterValidator(_host),
    Wanted("a host name", "Write a host name or an IPv4 address, as san-martin.example.org or 192.0.2.10."),
]
HttpUrl = Annotated[
    str, AfterValidator(_url), Wanted("a URL", "Write an address as https://packages.example.org/lima.")
]
SecurityMirror = Annotated[
    str,
    AfterValidator(lambda value: value if value == NO_SECURITY else _url(value)),
    Wanted("a URL or none", "Write an address as https://security.example.org/debian-security, or none."),
]
InterfaceName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,14}$"),
    AfterValidator(_interface),
    Wanted("a network interface", "Write its name as `ip link` shows it on the server, as enp1s0."),
]
Suite = Literal["bookworm", "trixie"]
ImageSuite = Literal["bullseye", "bookworm", "trixie"]
FOR_IMAGES = "-images"
"""What follows a Debian release's name in the distribution of the repository that images are composed from."""
Architecture = Literal["amd64", "arm64", "i386", "armhf"]
PackageName = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9+.-]+$"),
    Wanted("a package's name", "Write a Debian package's name, as gnome-mines."),
]
Locale = Annotated[
    str,
    Field(pattern=r"^[a-z]{2,3}_[A-Z]{2}(?:@[a-z]+)?$"),
    Wanted("a locale", "Write language and country, as es_PE, without .UTF-8."),
]
UserName = Annotated[
    str,
    Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$"),
    Wanted("a user name", "Write the name of a user of the server, as admin."),
]
ClockTime = Annotated[
    str,
    Field(pattern=r"^(?:[01][0-9]|2[0-3]):[0-5][0-9]$"),
    Wanted("a time of day", 'Write hours and minutes in quotes, as "03:30".'),
]
Timezone = Annotated[
    str, AfterValidator(_timezone), Wanted("a time zone", "Write an IANA time zone, as America/Lima.")
]
RelativePath = Annotated[
    str,
    AfterValidator(_relative),
    Wanted("a path", "Write a path below the deployment's folder, without `..`, as schools.csv."),
]
Ssid = Annotated[
    str,
    Field(min_length=1, max_length=32, pattern=_NO_CONTROLS),
    AfterValidator(_ssid),
    Wanted("a wireless network's name", "Write 1 to 32 characters."),
]
Country = Annotated[
    str, Field(pattern=r"^[A-Z]{2}$"), Wanted("a country", 'Write its two-letter code in quotes, as "PE".')
]
Serial = Annotated[
    str,
    Field(pattern=r"^[A-Z]{3}[0-9A-F]{8}$"),
    Wanted("an XO's serial number", "Write three capital letters and eight digits, as SHC00700123."),
]
Uuid = Annotated[
    str,
    Field(pattern=r"^[0-9A-Fa-f]{8}-([0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}$"),
    Wanted("a UUID", "Write it as the laptop shows it: 8, 4, 4, 4 and 12 hexadecimal digits."),
]
Nick = Annotated[str, Field(max_length=200, pattern=_NO_CONTROLS), Wanted("a name", "Write at most 200 characters.")]
Address = Annotated[
    IPv4Address, BeforeValidator(_text), Wanted("an IPv4 address", "Write four numbers, as 172.18.96.1.")
]
Network = Annotated[
    IPv4Network,
    BeforeValidator(_text),
    Wanted("an IPv4 network", "Write its first address and its prefix, as 192.0.2.0/24."),
]
Interface = Annotated[
    IPv4Interface,
    BeforeValidator(_text),
    Wanted("an IPv4 address with a prefix", "Write the address and its prefix, as 172.18.96.1/19."),
]
