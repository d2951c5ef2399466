# SPDX-License-Identifier: GPL-3.0-or-later
"""A laptop of one check's own, registered: the server serves statistics and backups to none that it does not know.

It is new each time, whatever the seed: what the server has of a laptop would change what is to be expected.
"""

from __future__ import annotations

from dataclasses import dataclass

from sugaroid.checks.options import Options
from sugaroid.checks.registration import note
from sugaroid.checks.report import Report
from sugaroid.profile import Hardware, Profile
from sugaroid.registration import register


@dataclass(frozen=True)
class Laptop:
    """Who registered, and with which serial."""

    profile: Profile
    hardware: Hardware


async def enrolled(report: Report, options: Options, address: str, service: str, kind: str) -> Laptop | None:
    """The laptop, with a key of a kind; None if the server does not take it, which the report then tells."""
    profile = Profile.make(kind=kind)
    hardware = profile.attempt()

    async def registers() -> str:
        await register(profile, options.server, hardware, address=address, port=options.ports.registration)
        note(report, options, profile, hardware)
        return f"{hardware.serial} with {profile.keys.fingerprint}"

    tried = f"register(serial, nick, uuid, pubkey) with {options.server}:{options.ports.registration}"
    if await report.step(service, f"a laptop with a key of {kind} registers", tried, registers):
        return Laptop(profile, hardware)
    return None
