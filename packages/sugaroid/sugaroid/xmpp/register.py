# SPDX-License-Identifier: GPL-3.0-or-later
"""In-band registration (XEP-0077) with the small patience that Sugar's client has for forms."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from sugaroid.errors import AccountExists, PresenceError
from sugaroid.xmpp.connection import Connection
from sugaroid.xmpp.names import CLIENT, REGISTER, tag

_UNDERSTOOD = frozenset({"instructions", "username", "password", "email"})


async def register(connection: Connection, user: str, password: str) -> None:
    """Make the account, before logging in; AccountExists on `conflict`."""
    form = await connection.ask(tag("iq", {"type": "get", "id": "register-form"}, tag("query", {"xmlns": REGISTER})))
    check_form(form)
    fields = tag("username", text=user) + tag("password", text=password)
    request = tag("iq", {"type": "set", "id": "register"}, tag("query", {"xmlns": REGISTER}, fields))
    answer = await connection.ask(request)
    if answer.get("type") == "result":
        return
    condition = error_condition(answer)
    if condition == "conflict":
        raise AccountExists("the account exists already", condition)
    raise PresenceError(f"the server does not register the account: {condition}", condition)


def check_form(form: Element) -> None:
    """Whether gabble would go on with this form; PresenceError tells why it would give up."""
    if form.get("type") != "result":
        condition = error_condition(form)
        raise PresenceError(f"the server offers no registration of accounts: {condition}", condition)
    query = form.find(f"{{{REGISTER}}}query")
    if query is None:
        raise PresenceError("the server's registration form is empty")
    fields = {child.tag for child in query}
    strange = {name for name in fields if name not in {f"{{{REGISTER}}}{known}" for known in _UNDERSTOOD}}
    if strange:
        raise PresenceError(f"the registration form holds {_listed(strange)}, at which Sugar's client gives up")
    missing = {name for name in ("username", "password") if f"{{{REGISTER}}}{name}" not in fields}
    if missing:
        raise PresenceError(f"the registration form does not ask for {_listed(missing)}")


def error_condition(stanza: Element) -> str:
    """The name of the defined condition in an error stanza."""
    error = stanza.find(f"{{{CLIENT}}}error")
    if error is not None:
        for child in error:
            if not child.tag.endswith("}text"):
                return child.tag.rpartition("}")[2]
    return "undefined-condition"


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(name.replace("{", "<").replace("}", "> ") for name in names))
