# SPDX-License-Identifier: GPL-3.0-or-later
"""`register` itself: checks what a laptop sends and turns it into a registration or a refusal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from sugar_server.registration import keys, laptop, wire
from sugar_server.registration.settings import RegistrationSettings
from sugar_server.registration.store import Registration

LONGEST_NICK = 1000


class Refused(Exception):
    """The laptop is not registered; the message is what it is told and what the log says."""


@dataclass(frozen=True)
class Attempt:
    """What a laptop sent; nothing of it is checked yet."""

    serial: str
    nick: str
    uuid: str
    pubkey: str
    address: str

    @classmethod
    def of(cls, call: wire.Call, address: str) -> Attempt:
        """The attempt in a call of `register`, with its four or, in an older form, three arguments."""
        if call.method != "register":
            raise Refused(f"there is no method {call.method!r:.60}, only register")
        if len(call.arguments) not in (3, 4):
            raise Refused(f"register takes serial, nick, uuid and pubkey, not {len(call.arguments)} arguments")
        if not all(isinstance(argument, str) for argument in call.arguments):
            raise Refused("the arguments of register are strings")
        serial, nick, *uuid, pubkey = call.arguments
        return cls(serial, nick, uuid[0] if uuid else "", pubkey, address)


def check(attempt: Attempt, settings: RegistrationSettings, now: float) -> Registration:
    """The registration to enter, or Refused."""
    if not settings.enabled:
        raise Refused("registration is switched off on this server")
    try:
        serial = laptop.check_serial(attempt.serial)
        key = keys.parse(attempt.pubkey)
    except (laptop.InvalidSerial, keys.InvalidKey) as error:
        raise Refused(str(error)) from error
    if settings.listed is not None and serial.upper() not in settings.listed:
        raise Refused("the serial number is not on the school's list of laptops")
    uuid = laptop.clean_uuid(attempt.uuid)
    return Registration(
        fingerprint=key.fingerprint,
        key=key.text,
        pubkey=attempt.pubkey,
        serial=serial,
        hardware=laptop.is_hardware_serial(serial, uuid, now),
        uuid=uuid,
        nick=attempt.nick[:LONGEST_NICK],
        address=attempt.address,
        at=datetime.fromtimestamp(now, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
        class_group=settings.groups.get(serial.upper()),
    )


def backup_url(serial: str, fqdn: str) -> str:
    """Where ds-backup finds its server: it takes the host between the `@` and the first colon."""
    return f"{serial}@{fqdn}:datastore-current"
