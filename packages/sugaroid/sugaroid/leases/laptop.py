# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a laptop with the deployment's key takes what a server gives: by olpc-security, which has to be here."""

from __future__ import annotations

import time
from pathlib import Path

from sugaroid.errors import InvalidInput, NotServed, reason


class Judge:
    """A laptop with this serial number, UUID and public key of its deployment."""

    def __init__(self, serial: str, uuid: str, key: Path) -> None:
        try:
            from olpc_security import keys, laptop, rules, trust
        except ImportError:
            raise InvalidInput("--key needs the package olpc-security, which is not here; install it") from None
        self._refusal = rules.Refusal
        try:
            self._laptop = laptop.Laptop(serial, uuid)
            self._trusted = trust.TrustedKeys((keys.PublicKey(key.read_bytes()),))
        except OSError as error:
            raise InvalidInput(f"{key} cannot be read: {reason(error)}") from None
        except rules.Refusal as refusal:
            raise InvalidInput(str(refusal)) from None

    def good_lease(self, data: bytes, *, from_wrapper: bool = True) -> bytes:
        """The line of this text with which the laptop starts; raises NotServed where there is none.

        A stick's wrapper is read by the initramfs, and not by the firmware.
        """
        from olpc_security.scan import scan_leases
        from olpc_security.wrapper import find_leases

        lines = find_leases(data, self._laptop.serial) if from_wrapper else data
        verdict = scan_leases(lines, self._laptop, self._trusted, int(time.time()))
        if not verdict.is_valid:
            raise NotServed(f"the laptop does not start with this lease: {verdict}")
        return lines.split(b"\n")[verdict.line - 1].rstrip(b"\r") + b"\n"

    def require_answer(self, body: bytes, nonce: str) -> None:
        """Raise NotServed unless the laptop believes this answer of theft deterrence."""
        from olpc_security.oats import read_response

        try:
            read_response(body, nonce, self._trusted, self._laptop.serial, int(time.time()))
        except self._refusal as refusal:
            raise NotServed(f"the laptop does not believe this answer: {refusal}") from None
