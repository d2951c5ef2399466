# SPDX-License-Identifier: GPL-3.0-or-later
"""The theft-deterrence protocol (OATS): what a laptop asks, and the answer that this server signs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qs

from olpc_security.keys import PrivateKey
from olpc_security.oats import sign_response, stolen_mark
from olpc_security.times import written

from sugar_server.antitheft.grants import authority, laptop_of, lease_for
from sugar_server.antitheft.settings import AntitheftSettings
from sugar_server.antitheft.store import Kept, Standing

_SERIAL = re.compile(r"[A-Za-z0-9]{11}")
_NONCE = re.compile(r"[!-~]{1,200}")
_SECONDS_GOOD = 24 * 3600
"""How long the signature counts; the nonce alone ties it to its request."""


class Malformed(ValueError):
    """The body is no request; the message says why."""


@dataclass(frozen=True)
class Asked:
    """A laptop's request."""

    serial: str
    nonce: str

    @classmethod
    def of(cls, body: bytes) -> Asked:
        """The request in a form's body; raises Malformed."""
        try:
            form = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=20)
        except ValueError:
            raise Malformed("the request is no form") from None
        serial, version, nonce = (
            form[name][0] if len(form.get(name, ())) == 1 else "" for name in ("serialnum", "version", "nonce")
        )
        if version != "1":
            raise Malformed("the request is not of version 1")
        if not _SERIAL.fullmatch(serial):
            raise Malformed("serialnum is no serial number")
        if not _NONCE.fullmatch(nonce):
            raise Malformed("the nonce is no word of at most 200 characters")
        return cls(serial.upper(), nonce)


@dataclass(frozen=True)
class Answer:
    """The answer's body, and the lease in it if it was issued just now: to be kept before it is told."""

    body: bytes
    lease: Kept | None = None
    issued: Kept | None = None


def answer(
    asked: Asked, standing: Standing, key: PrivateKey, settings: AntitheftSettings, *, may_renew: bool, now: float
) -> Answer:
    """The answer to a laptop, by a clock that is right.

    Without a delegation the server's own key signs: that no laptop trusts, unless the deployment has put it into it.
    """
    members: dict[str, str] = {"nonce": asked.nonce, "time": written(int(now))}
    laptop, by = laptop_of(standing), authority(standing, key, now)
    if laptop is not None:
        members["stolen"] = stolen_mark(laptop.uuid, asked.nonce, standing.is_stolen)
    lease = None
    if may_renew and not standing.is_stolen:
        lease = lease_for(standing, by, key, settings, now)
    if lease is not None:
        members["lease"] = lease.line
    issued = lease if lease not in (None, standing.lease, standing.issued) else None
    if by is None:
        return Answer(sign_response(key, members), lease, issued)
    until = by.until(int(now) + _SECONDS_GOOD)
    return Answer(sign_response(key, members, asked.serial, until, by.chain), lease, issued)
