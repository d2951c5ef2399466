"""Locked laptops of a school: what their deployer makes for them, and what they do when they are switched on."""

from __future__ import annotations

import base64
import calendar
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sugar_deploy.folder import Folder
from sugar_deploy.lab.machine import Machine
from sugar_deploy.lab.stick import Stick

STICK_DAYS, LEASE_DAYS, DELEGATION_DAYS = 5, 30, 400
STICK, KEY = "/root/stick.img", "/root/lease-1.public"


@dataclass(frozen=True)
class Laptop:
    """What its manufacturing data tell."""

    serial: str

    @property
    def uuid(self) -> str:
        return f"00000000-0000-4000-8000-0000{self.serial[3:]}"


BY_STICK, BY_STICK_TOO = Laptop("SHC00400001"), Laptop("SHC00400002")
BY_NETWORK, BY_NETWORK_LATER = Laptop("SHC00400003"), Laptop("SHC00400004")
STOLEN, STRANGER = Laptop("SHC00400005"), Laptop("SHC00400006")
DELEGATED = (BY_STICK, BY_STICK_TOO, BY_NETWORK, BY_NETWORK_LATER, STOLEN)


def days(found: Mapping[str, Any]) -> int:
    """For how many days from now the lease in a report of sugaroid is."""
    expires = str(found["lease"]).split()[3]
    return round((calendar.timegm(time.strptime(expires, "%Y%m%dT%H%M%SZ")) - time.time()) / 86400)


class Keeper:
    """The deployer, who has the keys."""

    def __init__(self, folder: Folder, school: str, work: Path) -> None:
        self.folder, self.school, self.work = folder, school, work
        self.words = work / "passphrase"
        self.words.touch(0o600)
        self.words.write_text("a passphrase of the lab alone\n")
        self._deploy("keys", "create", signs=True)

    @property
    def key(self) -> Path:
        return self.folder.laptop_keys / "lease-1.public"

    def delegate(self, server: Machine) -> None:
        """To the server's own key, all laptops but STRANGER; and one of them is stolen."""
        public = self.work / "server.public"
        told = server.run(("sh", "-c", "sugar-server lease-key | base64 -w0")).stdout
        public.write_bytes(base64.b64decode(told))
        self._deploy("keys", "import", "key", str(public), "--as", f"delegate-{self.school}")
        out = self.folder.leases / self.school / "d-lease.sig"
        out.parent.mkdir(parents=True)
        words = ("--to", self.school, "-o", str(out), "--days", str(DELEGATION_DAYS))
        self._deploy("lease", "delegate", self._list(*DELEGATED), *words, signs=True)
        self._deploy("lease", "revoke", STOLEN.serial)

    def stick(self) -> Path:
        """The image of a stick that activates two laptops for some days."""
        leases, root = self.work / "leases.sig", self.work / "stick"
        words = ("-o", str(leases), "--days", str(STICK_DAYS))
        self._deploy("lease", "issue", self._list(BY_STICK, BY_STICK_TOO), *words, signs=True)
        root.mkdir()
        self._run("lease", "stick", str(leases), str(root))
        stick = Stick.make(self.work / "stick.img", "fat32", size_mib=40)
        stick.fill(root)
        return stick.file

    def _list(self, *laptops: Laptop) -> str:
        path = self.work / "laptops.csv"
        path.write_text("".join(f"{laptop.serial},{laptop.uuid}\n" for laptop in laptops))
        return str(path)

    def _deploy(self, *words: str, signs: bool = False) -> None:
        secret = ("--passphrase-file", str(self.words)) if signs else ()
        self._run(*words, "-C", str(self.folder.root), *secret)

    def _run(self, *words: str) -> None:
        argv = [sys.executable, "-m", "sugar_deploy", *words]
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr


class Switch:
    """A machine on the laptops' LAN that is each of the locked laptops: sugaroid, with their storage."""

    def __init__(self, machine: Machine, server: str) -> None:
        self.machine, self.server = machine, server

    def get_ready(self, folder: Folder, keeper: Keeper) -> None:
        """Bring it the programs that prove and read, the deployment's public key, and the stick."""
        (package,) = {file.name: file for file in folder.published.rglob("olpc-security_*.deb")}.values()
        self.machine.put(package, "/root/olpc-security.deb")
        install = "apt-get -qy --no-install-recommends install /root/olpc-security.deb mtools"
        self.machine.run(("sh", "-c", f"DEBIAN_FRONTEND=noninteractive {install}"), timeout_seconds=1800)
        self.machine.put(keeper.key, KEY)
        self.machine.put(keeper.stick(), STICK)

    def boot(self, laptop: Laptop, *words: str) -> dict[str, Any]:
        """Switch it on; what it started by, and with which lease. It looks for the server by the initramfs's name."""
        return self._does(laptop, "schoolserver", "boot", "--storage", self._storage(laptop), *words)

    def stays_locked(self, laptop: Laptop, *words: str) -> str:
        """Switch it on; why it does not start."""
        done = self._runs(laptop, "schoolserver", "boot", "--storage", self._storage(laptop), *words)
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr

    def renew(self, laptop: Laptop) -> dict[str, Any]:
        """It asks for a new lease, which it keeps where the firmware looks."""
        return self._does(laptop, self.server, "renew", "--output", f"{self._storage(laptop)}/security/lease.sig")

    def is_not_renewed(self, laptop: Laptop) -> str:
        """It asks for a new lease, and gets none; why."""
        done = self._runs(laptop, self.server, "renew")
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stderr

    def _storage(self, laptop: Laptop) -> str:
        path = f"/root/storage/{laptop.serial}"
        self.machine.run(("mkdir", "-p", path))
        return path

    def _does(self, laptop: Laptop, server: str, *words: str) -> dict[str, Any]:
        done = self._runs(laptop, server, *words)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def _runs(self, laptop: Laptop, server: str, *words: str) -> subprocess.CompletedProcess[str]:
        who = ("--serial", laptop.serial, "--uuid", laptop.uuid, "--key", KEY, "--server", server, "--json")
        return self.machine.run(("sugaroid", *words, *who), check=False)
