# SPDX-License-Identifier: GPL-3.0-or-later
"""rsync and the few commands that the school server knows, over OpenSSH with nothing but our own configuration.

The server's key is taken as it is the first time, and no other one after that.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from sugar_client.backup import own_key
from sugar_client.backup.registration import Registration
from sugar_client.backup.server import Server
from sugar_client.command import Failed
from sugar_client.files import write
from sugar_client.profile import Profile

_HOST = "school"
_SECONDS_OF_SILENCE = 160
_MARKER = "/var/lib/ds-backup/completion/"
VANISHED = 24
"""rsync's exit status when files went while they were listed, as they do in a Journal that is in use."""


def forget_server(profile: Profile) -> None:
    """Take whatever key the server shows next."""
    _known_hosts(profile).unlink(missing_ok=True)


@dataclass(frozen=True)
class Connection:
    """The way to a server's backups."""

    profile: Profile
    registration: Registration
    port: int

    def bring(self, datastore: Path) -> None:
        """Makes the server's copy the same; what an interrupted transfer brought is not brought again.

        The index stays here: it changes all the time, and Sugar makes it from the entries.
        """
        left_out = [f"--exclude=/{name}" for name in ("index/", "index_updated", "ds_clean")]
        words = ["-z", "-rlt", "--partial", "--delete", *left_out, f"{datastore}/", f"{_HOST}:datastore-current"]
        self._rsync(words, {0, VANISHED})

    def complete(self, scratch: Path) -> None:
        """Tells the server that all is there; it makes the snapshot before it answers."""
        marker = scratch / self.registration.serial
        marker.touch()
        # The server's contract has ds-backup's words: it takes this folder out, and nothing is written there.
        self._rsync(["-T", "/tmp", str(marker), f"{_HOST}:{_MARKER}{self.registration.serial}"], {0})  # noqa: S108

    def fetch(self, snapshot: str, target: Path, only: tuple[str, ...] = ()) -> None:
        """Makes TARGET the same as a snapshot, or with rsync's filters ONLY a part of it; links are left out."""
        words = ["-z", "-rt", "--partial", "--delete", *only, f"{_HOST}:snapshots/{snapshot}/", f"{target}/"]
        self._rsync(words, {0})

    def run(self, command: str) -> str:
        """What a command of the server's prints."""
        return self._run([*self._ssh(), _HOST, command], {0})

    def _rsync(self, words: list[str], good: set[int]) -> None:
        remote = " ".join(f"'{word}'" if " " in word else word for word in self._ssh())
        self._run(["rsync", f"--timeout={_SECONDS_OF_SILENCE}", "-e", remote, *words], good)

    def _ssh(self) -> list[str]:
        path = self.profile.own / "ssh_config"
        write(path, self._configuration())
        return ["ssh", "-F", str(path)]

    def _configuration(self) -> str:
        host = Server(self.registration.server).host
        settings = {
            "HostName": host,
            "HostKeyAlias": host,
            "Port": str(self.port),
            "User": self.registration.serial,
            "IdentityFile": _quoted(self.profile.own / own_key.NAME),
            "IdentityAgent": "none",
            "IdentitiesOnly": "yes",
            "PreferredAuthentications": "publickey",
            "BatchMode": "yes",
            "HostKeyAlgorithms": "ssh-ed25519",
            "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": _quoted(_known_hosts(self.profile)),
            "GlobalKnownHostsFile": "/dev/null",
            "UpdateHostKeys": "no",
            "HashKnownHosts": "no",
            "ForwardAgent": "no",
            "ClearAllForwardings": "yes",
            "ControlPath": "none",
            "ConnectTimeout": "30",
            "ServerAliveInterval": "30",
            "LogLevel": "ERROR",
        }
        return f"Host {_HOST}\n" + "".join(f"    {name} {value}\n" for name, value in settings.items())

    def _run(self, argv: list[str], good: set[int]) -> str:
        try:
            done = subprocess.run(
                argv, check=False, capture_output=True, text=True, errors="replace", stdin=subprocess.DEVNULL
            )
        except FileNotFoundError:
            raise Failed(f"{argv[0]} is missing. Install the packages rsync and openssh-client.") from None
        if done.returncode not in good:
            raise Failed(self._explained(argv[0], done.returncode, done.stderr))
        return done.stdout

    def _explained(self, program: str, status: int, said: str) -> str:
        server = self.registration.server
        if "HOST IDENTIFICATION HAS CHANGED" in said or "Host key verification failed" in said:
            return (
                f"{server} does not have the key by which this laptop knows its school server. Nothing was sent. If "
                "it is not another school's, and was set up anew, run: sugar-client register --new-server"
            )
        if "Permission denied" in said:
            return f"{server} does not know this laptop's key. Run: sugar-client register"
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        why = next((line for line in lines if line.startswith("school server:")), lines[0] if lines else "no reason")
        return f"{program} with {server} failed (status {status}): {why}. What came over stays; the next run goes on."


def _known_hosts(profile: Profile) -> Path:
    return profile.own / "known_hosts"


def _quoted(path: Path) -> str:
    """As a value in OpenSSH's configuration, where % begins a token."""
    return '"' + str(path).replace("%", "%%") + '"'
