# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes this laptop known to its school server, under the same account as Sugar's own registration."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from sugar_client.backup import own_key, signing
from sugar_client.backup.server import Server
from sugar_client.command import Failed
from sugar_client.files import read_object, write_object
from sugar_client.profile import Profile


@dataclass(frozen=True)
class Registration:
    """Where this laptop is registered, and as what."""

    server: str
    """HOST or HOST:PORT of its web server."""
    serial: str
    uid: str
    linked: bool
    """Whether the account is that of Sugar's own key."""

    @classmethod
    def read(cls, profile: Profile) -> Registration | None:
        kept = read_object(_path(profile))
        try:
            return cls(str(kept["server"]), str(kept["serial"]), str(kept["uid"]), bool(kept["linked"]))
        except KeyError:
            return None

    def as_object(self) -> dict[str, object]:
        return asdict(self)


def register(profile: Profile, address: str) -> Registration:
    """Registers with the server; a laptop may do so as often as it likes."""
    server = Server(address)
    key = own_key.make(profile.make_own())
    public = own_key.public(key)
    serial = profile.serial()
    body = {"nickname": profile.nick(), "machine_sn": serial, "machine_uuid": profile.uuid(), "pubkey": public}
    linked = profile.owner_key.exists()
    if linked:
        body.update(_proof(server, profile.owner_key, key, public))
    answer = _answer(server, "POST", "/client/register", body)
    found = Registration(address, serial, str(answer.get("uid", "")), linked)
    write_object(_path(profile), found.as_object())
    return found


def _proof(server: Server, owner: Path, key: Path, public: str) -> dict[str, str]:
    """What shows the server that both private keys are here."""
    line = signing.public_line(owner)
    nonce = _answer(server, "GET", "/client/nonce")["nonce"]
    text = f"sugar-server-link-1\n{nonce}\n{public}\n".encode()
    return {
        "owner_pubkey": line,
        "owner_signature": signing.sign(owner, line.split()[0], text),
        "signature": signing.sign(key, "ssh-ed25519", text),
        "nonce": nonce,
    }


def _answer(server: Server, method: str, path: str, body: dict[str, str] | None = None) -> dict[str, str]:
    status, answer = server.ask(method, path, body)
    if answer.get("success") != "OK":
        why = str(answer.get("error", f"status {status}"))
        raise Failed(f"{server.address} refuses the registration: {why}. Ask whoever looks after the school server.")
    return answer


def _path(profile: Profile) -> Path:
    return profile.own / "registration.json"
