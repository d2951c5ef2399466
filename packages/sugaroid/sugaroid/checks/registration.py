# SPDX-License-Identifier: GPL-3.0-or-later
"""Registers pretended laptops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sugaroid.checks.options import Options
from sugaroid.checks.report import Identity, Report, Unexpected
from sugaroid.errors import MalformedReply, RegistrationRefused
from sugaroid.profile import Hardware, Profile
from sugaroid.registration import Registered, register


async def check_registration(report: Report, options: Options, address: str, laptops: Sequence[Profile]) -> None:
    """All laptops at once, and one of them again as a PC does: same key, another serial."""
    attempts = [(laptop, laptop.attempt()) for laptop in laptops]
    url = f"http://{options.server}:{options.ports.registration}/ (at {address})"
    sent = f"register(serial, nick, uuid, pubkey) to {url}"

    async def accepted(laptop: Profile, hardware: Hardware) -> Registered:
        try:
            answer = await register(
                laptop, options.server, hardware, address=address, port=options.ports.registration
            )
        except MalformedReply:
            note(report, options, laptop, hardware)
            raise
        note(report, options, laptop, hardware)
        return answer

    async def all_accepted() -> str:
        answers = await asyncio.gather(*(accepted(*attempt) for attempt in attempts), return_exceptions=True)
        failures = [answer for answer in answers if isinstance(answer, BaseException)]
        if failures:
            raise failures[0]
        for answer in answers:
            if isinstance(answer, Registered):
                judge(answer, options.server)
        first = answers[0]
        assert isinstance(first, Registered)  # the failures are out
        return f"OK, jabberserver {first.jabberserver}, backupurl {first.backupurl}"

    async def again() -> str:
        hardware = laptops[0].attempt()
        answer = await accepted(laptops[0], hardware)
        return f"OK under the new serial {hardware.serial}, backupurl {answer.backupurl}"

    async def refused() -> str:
        try:
            await accepted(*attempts[0])
        except RegistrationRefused as refusal:
            return f"refused: {refusal}"
        raise Unexpected("a laptop that nobody knows was registered")

    if options.registration == "refused":
        await report.step("registration", "an unknown laptop is refused", sent, refused)
    elif await report.step("registration", f"{len(laptops)} laptops register", sent, all_accepted):
        await report.step("registration", "a laptop registers again", sent, again)


def judge(answer: Registered, server: str) -> None:
    """Whether a laptop can live with the answer; Unexpected if not."""
    if answer.jabberserver.rstrip(".").lower() != server.lower():
        raise Unexpected(f"jabberserver is {answer.jabberserver!r} and not {server}: laptops would go there")
    if not answer.backupurl:
        raise Unexpected("backupurl is empty, so the laptop would not count as registered")
    if "://" in answer.backupurl:
        raise Unexpected(f"backupurl {answer.backupurl} has a scheme, which laptops take for the host")


def note(report: Report, options: Options, laptop: Profile, hardware: Hardware) -> None:
    """Remember what the caller has to forget; the last serial of a key is the one that counts."""
    jid = f"{laptop.account}@{options.server}"
    report.identities[:] = [known for known in report.identities if known.jid != jid]
    report.identities.append(Identity(hardware.serial, laptop.keys.fingerprint, jid))
