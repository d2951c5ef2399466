# SPDX-License-Identifier: GPL-3.0-or-later
"""Backs a Journal up as ds-backup 0.15 does, by this machine's own rsync and ssh, and reads it back.

ds-backup gives ssh its few options and no more; beside them stand here only those that keep this machine out of it
(its keys, agent and known hosts), the port, and for a laptop of the XO generation what its OpenSSH 5 knows.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from sugaroid.background import in_background
from sugaroid.errors import InvalidInput, NotServed
from sugaroid.probes import web
from sugaroid.profile import Profile
from sugaroid.snapshots import Snapshot, read_list

COMPLETION = "/var/lib/ds-backup/completion/"
TRANSFER_SECONDS = 160
"""ds-backup's own patience with a silent server."""
WAITS_SECONDS = tuple(60 * 2**number for number in range(1, 7))
"""How long ds-backup waits before it asks again, each time that the server says later."""
_MARKER_SECONDS = 10
_HTTP_SECONDS = 20.0
_GREETING = ("-F", "/dev/null", "-o", "PasswordAuthentication=no", "-o", "StrictHostKeyChecking=no")
_OF_OLD = {
    "KexAlgorithms": "diffie-hellman-group14-sha1",
    "Ciphers": "aes128-cbc",
    "MACs": "hmac-sha1",
    "HostKeyAlgorithms": "ssh-rsa",
}
_NOISE = re.compile(r"rsync error: |rsync: (\[\w+\] )?connection unexpectedly closed")


@dataclass(frozen=True)
class Place:
    """Where a school server is: its name, the address to connect to, and the ports."""

    server: str
    address: str
    http_port: int = 80
    port: int = 2222


@dataclass(frozen=True)
class Backup:
    """One laptop's backups at one server.

    `folder` is a folder of its own for the key; a laptop of `xo` generation says what OpenSSH 5 says.
    """

    profile: Profile
    serial: str
    place: Place
    folder: Path
    xo: bool = False

    async def available(self) -> int:
        """May the laptop begin? 200 yes, 503 later, any other no."""
        place = self.place
        path = f"/backup/1/available/{quote(self.serial)}"
        page = await in_background(
            lambda: web.fetch(place.address, place.http_port, place.server, path), _HTTP_SECONDS
        )
        return page.status

    async def begin(self, waits_seconds: Sequence[float] = WAITS_SECONDS) -> None:
        """Returns when the laptop may begin; NotServed if it may not, or not even after these waits."""
        for wait in (*waits_seconds, None):
            status = await self.available()
            if status == 200:
                return
            if status != 503:
                raise NotServed(f"status {status}: the laptop may not bring its backup")
            if wait is not None:
                await asyncio.sleep(wait)
        raise NotServed("status 503: later, and that every time")

    async def bring(self, folder: Path, name: str = "datastore-current") -> None:
        """Makes one of the home's folders the same as one here."""
        options = ("-z", "-rlt", "--partial", "--delete", f"--timeout={TRANSFER_SECONDS}")
        await self._rsync(*options, f"{folder}/", f"{self.place.address}:{name}")

    async def complete(self) -> None:
        """Says that all was brought, upon which the server makes a snapshot: an empty file."""
        empty = self.folder / "empty"
        empty.touch()
        target = f"{self.place.address}:{COMPLETION}{self.serial}"
        await self._rsync("-T", "/tmp", "--timeout", str(_MARKER_SECONDS), str(empty), target)  # noqa: S108

    async def back_up(self, pairs: Mapping[str, Path]) -> None:
        """Brings folders by their names in the home (datastore-current, power-logs, documents) and completes."""
        for name, folder in pairs.items():
            await self.bring(folder, name)
        await self.complete()

    async def snapshots(self) -> list[Snapshot]:
        """What the server keeps, the newest first; an Ed25519 key is needed."""
        return read_list(await self._run([*self._ssh(), self.place.address, "snapshots"]))

    async def restore(self, name: str, target: Path) -> None:
        """Makes a folder the same as a snapshot; an Ed25519 key is needed."""
        await self._rsync("-z", "-rlt", "--delete", f"{self.place.address}:snapshots/{name}/", f"{target}/")

    async def restore_entry(self, name: str, uid: str, target: Path) -> None:
        """Gives one entry of a snapshot, in a folder of the datastore's layout; an Ed25519 key is needed."""
        only = (f"--include=/{uid[:2]}/", f"--include=/{uid[:2]}/{uid}/***", "--exclude=*")
        await self._rsync("-z", "-rlt", *only, f"{self.place.address}:snapshots/{name}/", f"{target}/")

    async def command(self, text: str) -> str:
        """What any command prints, if the server serves it."""
        return await self._run([*self._ssh(), self.place.address, text])

    async def _rsync(self, *words: str) -> None:
        remote = " ".join(shlex.quote(word) for word in self._ssh())
        await self._run(["rsync", "-e", remote, *words])

    def _ssh(self) -> list[str]:
        """ssh up to the host's name."""
        options = {
            "UserKnownHostsFile": str(self.folder / "known_hosts"),
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "BatchMode": "yes",
            "ConnectTimeout": "10",
            "LogLevel": "ERROR",
            **_accepting(self.profile),
            **(_OF_OLD if self.xo else {}),
        }
        listed = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        own = ("-p", str(self.place.port), "-i", str(self._key()), "-l", self.serial)
        return ["ssh", *_GREETING, *listed, *own]

    def _key(self) -> Path:
        path = self.folder / "owner.key"
        if not path.exists():
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(self.profile.keys.private_text)
        return path

    async def _run(self, argv: Sequence[str]) -> str:
        """What a program prints; NotServed with what it complains of if it fails."""
        environment = {**os.environ, "LC_ALL": "C"}
        try:
            process = await asyncio.create_subprocess_exec(
                *argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                env=environment,
                start_new_session=True,
            )
        except FileNotFoundError:
            raise InvalidInput(f"{argv[0]} is missing here; install the packages rsync and openssh-client") from None
        try:
            out, complaint = await process.communicate()
        finally:
            if process.returncode is None:  # its time is over: ssh below rsync goes with it
                os.killpg(process.pid, signal.SIGKILL)
                await process.wait()
        if process.returncode != 0:
            raise NotServed(_explained(argv[0], process.returncode or 0, complaint.decode("utf-8", "replace")))
        return out.decode("utf-8", "replace")


async def ssh_knows(kind: str) -> bool:
    """Whether this machine's ssh has a type of key (ssh-dss): OpenSSH 10 has no DSA any more."""
    try:
        process = await asyncio.create_subprocess_exec("ssh", "-Q", "key", stdout=asyncio.subprocess.PIPE)
    except FileNotFoundError:
        raise InvalidInput("ssh is missing here; install the package openssh-client") from None
    out, _ = await process.communicate()
    return kind in out.decode("ascii", "replace").split()


def _accepting(profile: Profile) -> Mapping[str, str]:
    """Old keys are not offered by today's ssh unless it is told to, and it may be told only types that it knows."""
    kind = profile.keys.public_text.partition(" ")[0]
    # The older name of PubkeyAcceptedAlgorithms, which every release understands.
    return {} if kind == "ssh-ed25519" else {"PubkeyAcceptedKeyTypes": f"+{kind}", "HostKeyAlgorithms": "+ssh-rsa"}


def _explained(program: str, status: int, complaint: str) -> str:
    lines = [line.strip() for line in complaint.splitlines() if line.strip()]
    telling = [line for line in lines if not _NOISE.match(line)] or lines
    return f"{program} ended with {status}: {'; '.join(telling)[:400] or 'it says no more'}"
