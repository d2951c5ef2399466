# SPDX-License-Identifier: GPL-3.0-or-later
"""Theft deterrence over HTTP, as the firmware's oatstime.fth and the protocol's page have it."""

from __future__ import annotations

import calendar
import hashlib
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from sugaroid.errors import MalformedReply, NotServed
from sugaroid.probes import web

PATH = "/antitheft/1/"
# Canonical JSON: no blanks, and the signatures' line feeds raw.
_ENVELOPE = re.compile(
    rb'\["oatc-signed-resp",1,\[(\["oatc-resp",1,\{.*\}\]),\["sig",1,\["(?:sig0[12]: [^"\n]*\n)+"\]\]\]\]', re.DOTALL
)


@dataclass(frozen=True)
class Answer:
    """A server's answer. Says nothing of its signature's worth."""

    body: bytes
    members: Mapping[str, object]
    seconds: int
    """The server's time, in Unix seconds."""

    @property
    def lease(self) -> str:
        """The new lease's text; empty where there is none."""
        found = self.members.get("lease")
        return found if isinstance(found, str) else ""

    def is_stolen(self, uuid: str) -> bool | None:
        """Whether the server says that the laptop with this UUID is stolen; None if it does not say."""
        nonce, told = self.members["nonce"], self.members.get("stolen")
        marks = {
            hashlib.sha256(f"{uuid}:{nonce}{ending}".encode()).hexdigest(): is_so
            for ending, is_so in (("", False), (":STOLEN", True))
        }
        return marks.get(told) if isinstance(told, str) else None


def ask(address: str, port: int, host: str, serial: str, nonce: str) -> Answer:
    """The answer to a laptop that asks; raises NotServed, MalformedReply, CannotConnect."""
    form = urlencode({"serialnum": serial, "version": "1", "nonce": nonce}).encode("ascii")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    page = web.ask(address, port, host, PATH, method="POST", body=form, headers=headers)
    if page.status != 200:
        said = page.body[:200].decode("utf-8", "replace").strip()
        raise NotServed(f"status {page.status} from {PATH}: {said}")
    if page.headers.get("content-length") != str(len(page.body)):
        raise MalformedReply("the firmware insists on a Content-Length, and does not read chunks")
    return read(page.body, nonce)


def read(body: bytes, nonce: str) -> Answer:
    """The answer in a body; raises MalformedReply for what the firmware does not read."""
    match = _ENVELOPE.fullmatch(body)
    if match is None:
        raise MalformedReply(f"no oatc-signed-resp of version 1: {body[:60]!r}")
    try:
        members = json.loads(match.group(1), strict=False)[2]
        seconds = calendar.timegm(time.strptime(members["time"], "%Y%m%dT%H%M%SZ"))
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedReply(f"an answer that cannot be read: {error!r}") from None
    if members.get("nonce") != nonce:
        raise MalformedReply(f"the answer to another request: nonce {members.get('nonce')!r}, not {nonce!r}")
    return Answer(body, members, seconds)
