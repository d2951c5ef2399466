# SPDX-License-Identifier: GPL-3.0-or-later
"""The address of our own client, /client/: Server Kit's JSON requests, as far as they are of use.

Whoever is on the LAN may ask, so nothing is told of a child but what the asker knows already: that an identity or a
serial is registered here. Every answer is an object with `success`, OK or ERR, and with `error` in the latter case.
"""

from __future__ import annotations

import asyncio
import hashlib
import ipaddress
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from typing import Any, Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sugar_server.config import Config
from sugar_server.database import UnusableDatabase
from sugar_server.registration import keys
from sugar_server.registration.attempt import Attempt, Refused, backup_url, check
from sugar_server.registration.client_request import MAXIMUM_BODY, ClientRequest, Proof
from sugar_server.registration.identities import fingerprint_of_uid
from sugar_server.registration.proof import Nonces, Unproven, check_signature, text_to_sign
from sugar_server.registration.store import Identity, Outcome, Registration, Store
from sugar_server.registration.web import CANNOT_WRITE, REFUSALS, done
from sugar_server.requests import BadRequest, client_address, small_body
from sugar_server.writer import Writer

_log = logging.getLogger(__name__)
_Answer = Callable[[Request], Awaitable[dict[str, Any]]]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
"""All come here, so that the refusal of a wrong one is JSON, too."""


@dataclass
class ClientAPI:
    """Answers /client/…"""

    config: Config
    writer: Writer[Store]
    clock: Callable[[], float]
    _nonces: Nonces = field(default_factory=Nonces)

    async def endpoint(self, request: Request) -> Response:
        """Answers an object, whatever happens."""
        name = request.path_params["name"]
        methods = {"register": ("POST", self._register), "nonce": ("GET", self._nonce)}
        methods |= {"status": ("GET", self._status), "find": ("GET", self._find), "groups": ("GET", self._groups)}
        if name not in methods:
            return _error("there is no such request", 404)
        method, answer = methods[name]
        if request.method not in {method, "HEAD" if method == "GET" else method}:
            return _error(f"the request's method is not {method}", 405, {"allow": method})
        return await self._answer(request, answer)

    async def _answer(self, request: Request, answer: _Answer) -> Response:
        try:
            return JSONResponse({"success": "OK", **await answer(request)})
        except BadRequest as error:
            # What is left of the body would be read as the next request.
            return _error(str(error), error.status, {"connection": "close"})
        except (Refused, Unproven) as error:
            return _error(str(error))
        except UnusableDatabase as error:
            _log.error("%s", error)
            return _error(CANNOT_WRITE)
        except Exception:
            _log.exception("The request %.60s from %s failed.", ascii(request.scope["path"]), client_address(request))
            return _error("the server has an internal error")

    async def _nonce(self, _: Request) -> dict[str, Any]:
        return {"nonce": self._nonces.new()}

    async def _register(self, request: Request) -> dict[str, Any]:
        address, serial = client_address(request), ""
        try:
            body = await small_body(request, MAXIMUM_BODY)
            sent = ClientRequest.of(body, request.headers.get("content-type", ""))
            serial = sent.machine_sn
            identity = await self._enter(sent, address)
        except (BadRequest, Refused, Unproven) as error:
            _log.warning("Refused to register %.60s from %s: %s.", ascii(serial), address, error)
            raise
        _log.info("Registered %s with key %s from %s.", identity.serial, identity.fingerprint, address)
        return {
            "uid": identity.uid,
            "jabberserver": self.config.fqdn,
            "backupurl": backup_url(identity.serial, self.config.fqdn),
        }

    async def _enter(self, sent: ClientRequest, address: str) -> Identity:
        client = self._checked(sent, sent.pubkey, address)
        owner = None
        if sent.proof is not None:
            owner = self._checked(sent, sent.proof.owner_pubkey, address)
            if owner.fingerprint != client.fingerprint:
                loop = asyncio.get_running_loop()
                await loop.run_in_executor(None, self._check_proof, sent.proof, sent.pubkey)
            else:
                owner = None
        policy = self.config.registration.known_serial

        def enter(store: Store) -> tuple[Outcome, Identity | None]:
            if owner is None:
                outcome = store.register(client, policy)
            else:
                outcome = store.register_linked(owner, client, policy)
            return outcome, store.by_fingerprint(client.fingerprint)

        outcome, identity = await done(self.writer.submit(enter))
        if outcome is not Outcome.ACCEPTED or identity is None:
            raise Refused(REFUSALS.get(outcome, "the registration was not accepted"))
        return identity

    def _checked(self, sent: ClientRequest, pubkey: str, address: str) -> Registration:
        attempt = Attempt(sent.machine_sn, sent.nickname, sent.machine_uuid, pubkey, address)
        new = check(attempt, self.config.registration, self.clock())
        # Sugar's own form, from which it makes its XMPP name: what follows the type.
        words = pubkey.split(None, 1)
        return replace(new, pubkey=words[1].strip() if words[0] in keys.TYPES else pubkey.strip())

    def _check_proof(self, proof: Proof, pubkey: str) -> None:
        self._nonces.check(proof.nonce)
        client, owner = keys.parse(pubkey), keys.parse(proof.owner_pubkey)
        text = text_to_sign(proof.nonce, client)
        check_signature(owner, proof.owner_signature, text, "owner's")
        check_signature(client, proof.signature, text, "client's")

    async def _status(self, request: Request) -> dict[str, Any]:
        """No serial is told: whoever knows a public key can ask."""
        uid = request.query_params.get("uid", "")
        if not await self._is_registered(uid):
            return {"registered": False}
        fqdn = self.config.fqdn
        return {"registered": True, "jabber-url": fqdn, "backup-url": f"{fqdn}:datastore-current"}

    async def _find(self, request: Request) -> dict[str, Any]:
        query = request.query_params
        if len(query) != 1 or not {"uid", "serial", "account"} & set(query):
            raise Refused("find takes one of uid, serial and account")
        if "uid" in query:
            return {"registered": await self._is_registered(query["uid"])}
        if "account" in query:
            account = query["account"]
            return {"registered": await done(self.writer.submit(lambda store: store.has_account(account)))}
        serial = query["serial"].replace("\0", "")
        return {"registered": bool(await done(self.writer.submit(lambda store: store.by_serial(serial))))}

    async def _is_registered(self, uid: str) -> bool:
        fingerprint = fingerprint_of_uid(uid)
        if fingerprint is None:
            raise Refused("the uid is not one of 64 hexadecimal digits")
        return await done(self.writer.submit(lambda store: store.by_fingerprint(fingerprint))) is not None

    async def _groups(self, request: Request) -> dict[str, Any]:
        """For this machine's own presence server only: whose class is whose is no laptop's business."""
        if not _is_this_machine(client_address(request)):
            raise BadRequest("only this machine may ask for the groups", 403)
        pubkeys = await done(self.writer.submit(lambda store: store.groups()))
        return {
            "groups": {
                group: [hashlib.sha1(pubkey.encode(), usedforsecurity=False).hexdigest() for pubkey in members]
                for group, members in pubkeys.items()
            }
        }


def _is_this_machine(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def _error(message: str, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"success": "ERR", "error": message}, status, headers)
