# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong, as a laptop would tell it apart."""

from __future__ import annotations

import os
import socket
import ssl


class SugaroidError(Exception):
    """A fault of the network, the server or the input; its text is made for people."""


class InvalidInput(SugaroidError):
    """The user's input is wrong; exit status 2."""


class CannotConnect(SugaroidError):
    """Sugar would say "Cannot connect to the server."."""


class RegistrationRefused(SugaroidError):
    """Sugar would say "The server could not complete the request."; the text is the server's `error`."""


class MalformedReply(SugaroidError):
    """Sugar's shell would die of an unhandled exception: the reply lacks what it reads."""


class NotServed(SugaroidError):
    """A service of the school server's refused, or answered what a laptop cannot use."""


class PresenceError(SugaroidError):
    """The XMPP session failed or the server answered with an error."""

    def __init__(self, text: str, condition: str = "") -> None:
        super().__init__(text)
        self.condition = condition


class AccountExists(PresenceError):
    """In-band registration answered `conflict`: log in instead."""


def reason(error: BaseException) -> str:
    """Why something of the network failed, in the system's words."""
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error}"
    if isinstance(error, socket.timeout):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
