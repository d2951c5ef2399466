# SPDX-License-Identifier: GPL-3.0-or-later
"""`sugaroid boot`, `activate` and `renew`: a locked laptop that is switched on, what it asks the network for then,
and one that asks for a new lease."""

from __future__ import annotations

import argparse
import json
import re
import secrets
from pathlib import Path

from sugaroid.background import in_background
from sugaroid.checks.options import resolve
from sugaroid.errors import InvalidInput, NotServed
from sugaroid.leases import deterrence
from sugaroid.leases.activation import STOLEN, activate
from sugaroid.leases.boot import Locked
from sugaroid.leases.keeping import keep
from sugaroid.leases.laptop import Judge

_SECONDS = 90.0
_SOURCES = {"storage": "own lease", "stick": "stick's lease", "network": "server's lease"}
_SERIAL = re.compile(r"[A-Z0-9]{11}")


def add_options(command: argparse.ArgumentParser) -> None:
    """Of all three."""
    command.add_argument("--serial", required=True, metavar="SN", help="the laptop's serial number")
    command.add_argument("--uuid", help="its UUID: tells whether it is stolen; with --key, proves what comes")
    command.add_argument("--key", type=Path, metavar="FILE", help="the deployment's lease-1.public, as in its tag a1")


def add_output(command: argparse.ArgumentParser) -> None:
    """Of those that only ask."""
    command.add_argument("--output", type=Path, metavar="FILE", help="write the lease here, as /security/lease.sig")


def add_boot_options(command: argparse.ArgumentParser) -> None:
    """Of boot."""
    command.add_argument(
        "--storage", type=Path, required=True, metavar="DIR", help="its internal storage: the lease is kept there"
    )
    command.add_argument(
        "--stick",
        type=Path,
        action="append",
        default=[],
        metavar="PATH",
        help="what is plugged in: a folder, or an image with FAT; may be given several times",
    )


async def booting(arguments: argparse.Namespace) -> int:
    """A locked laptop that is switched on: 0 if it starts; NotServed otherwise."""
    judge = _judge(arguments)
    if judge is None:
        raise InvalidInput("a laptop starts by its deployment's key: --key and --uuid are needed")

    def ask() -> bytes:
        return activate(resolve(arguments.address or arguments.server), arguments.activation_port, arguments.serial)

    found = await in_background(Locked(judge, arguments.storage, arguments.stick, ask).boot, _SECONDS)
    lease = found.lease.decode("ascii")
    if arguments.json:
        print(json.dumps({"source": found.source, "lease": lease, "sticks": found.sticks}, indent=2))
        return 0
    print(f"{arguments.serial} starts, by its {_SOURCES[found.source]}, until {lease.split()[3]}")
    for stick, verdict in zip(arguments.stick, found.sticks):
        print(f"{stick}: of the firmware's copy: {verdict}")
    return 0


async def activation(arguments: argparse.Namespace) -> int:
    """A locked laptop at boot: 0 with a good lease; NotServed otherwise."""
    judge = _judge(arguments)

    def run() -> bytes:
        address = resolve(arguments.address or arguments.server)
        return activate(address, arguments.activation_port, arguments.serial)

    lease = await in_background(run, _SECONDS)
    if lease == STOLEN:
        raise NotServed(f"{arguments.serial} is stolen, says the server: the laptop stays locked")
    if not lease:
        raise NotServed(f"the server has no lease for {arguments.serial}: the laptop tries elsewhere")
    if judge is not None:
        judge.good_lease(lease)
    _tell(arguments, {"lease": lease.decode("utf-8", "replace"), "proved": judge is not None})
    return 0


async def renewal(arguments: argparse.Namespace) -> int:
    """A laptop that asks for a new lease: 0 if it got one; NotServed if it is stolen or gets none."""
    judge = _judge(arguments)
    nonce = str(secrets.randbelow(2**63))

    def run() -> deterrence.Answer:
        address = resolve(arguments.address or arguments.server)
        return deterrence.ask(address, arguments.http_port, arguments.server, arguments.serial, nonce)

    answer = await in_background(run, _SECONDS)
    if judge is not None:
        judge.require_answer(answer.body, nonce)
    if arguments.uuid and answer.is_stolen(arguments.uuid):
        raise NotServed(f"{arguments.serial} is stolen, says the server: it gets no lease")
    if not answer.lease:
        raise NotServed(f"the server has no new lease for {arguments.serial}")
    if judge is not None:
        judge.good_lease(answer.lease.encode("utf-8"))
    _tell(arguments, {"lease": answer.lease, "time": answer.members["time"], "proved": judge is not None})
    return 0


def _judge(arguments: argparse.Namespace) -> Judge | None:
    if not _SERIAL.fullmatch(arguments.serial):
        raise InvalidInput(f"--serial {arguments.serial} is no serial number: 11 capitals and digits")
    if arguments.key is None:
        return None
    if not arguments.uuid:
        raise InvalidInput("--key proves nothing without the laptop's --uuid, which is part of what is signed")
    return Judge(arguments.serial, arguments.uuid, arguments.key)


def _tell(arguments: argparse.Namespace, found: dict[str, object]) -> None:
    lease = str(found["lease"])
    if arguments.output is not None:
        keep(arguments.output, lease.encode("utf-8"))
    if arguments.json:
        print(json.dumps(found, indent=2))
        return
    # A wrapper's, or a line's: `act01: SN K EXPIRY …`.
    expiry = re.search(rf"act01: {arguments.serial} . ([0-9]{{8}}T[0-9]{{6}}Z) ", lease)
    until = expiry.group(1) if expiry else "nobody can tell when"
    print(f"{arguments.serial}: a lease until {until}{', and it is a good one' if found['proved'] else ''}")
