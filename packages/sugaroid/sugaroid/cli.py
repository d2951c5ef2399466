# SPDX-License-Identifier: GPL-3.0-or-later
"""The program `sugaroid`: words in, text and exit status out."""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import logging
import os
import sys
import threading
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import AddressValueError, IPv4Address
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from sugaroid import __version__
from sugaroid.checks.options import SERVICES, Options, Ports
from sugaroid.checks.report import Report
from sugaroid.checks.run import check
from sugaroid.crowd import crowd
from sugaroid.errors import InvalidInput, SugaroidError
from sugaroid.leases import command as leases
from sugaroid.load import command as load
from sugaroid.presence import Presence
from sugaroid.probes.route import interface_towards
from sugaroid.profile import Profile
from sugaroid.registration import register
from sugaroid.schoolday import command as schoolday

if TYPE_CHECKING:
    # argparse has no public name for what add_subparsers gives.
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]

_GREEN, _RED, _PLAIN = "\033[32m", "\033[31m", "\033[0m"
_EXAMPLES = """examples:
  sugaroid check --server schoolserver.example.org
  sugaroid check --server san-martin.lima.example --address 172.18.96.1 \\
      --expect registration,presence,http,dns,dhcp,ntp --interface eth0
  sugaroid check --server san-martin.lima.example --address 192.0.2.7 \\
      --expect http --expect-no dhcp,dns,ntp --interface eth0
  sugaroid boot --server schoolserver --serial SHC12345678 --uuid UUID --key lease-1.public --storage DIR \\
      --stick stick.img
  sugaroid renew --server schoolserver.example.org --serial SHC12345678 --uuid UUID --key lease-1.public
  sugaroid crowd --server schoolserver.example.org --count 50
  sugaroid load --server schoolserver.example.org --laptops 30 --seed lima --compress 10
  sugaroid schoolday --server schoolserver.example.org --count 200

exit status: 0 all is as expected, 1 something is not, 2 wrong usage
"""


def program() -> NoReturn:
    """Runs one command and ends the process with its exit status."""
    status = main()
    if threading.active_count() > 1:
        # Threads that still wait for a silent server are left behind. Python's own end would take from under them
        # what they use; in native code that is a crash.
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    arguments = _parser().parse_args(argv)
    # A server that closes first is no news to tell beside the report.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    try:
        return int(asyncio.run(arguments.run(arguments)))
    except InvalidInput as error:
        print(f"sugaroid: {error}", file=sys.stderr)
        return 2
    except SugaroidError as error:
        print(f"sugaroid: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sugaroid",
        description="Acts as a Sugar laptop towards a school server.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"sugaroid {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_check(commands)
    command = _add(commands, "register", _register, "register a laptop")
    command.add_argument("--profile", type=Path, metavar="DIR", help="the laptop's profile; made if it is not there")
    command.add_argument("--nick", help="the child's name, for a new profile")
    command = _add(commands, "online", _online, "stay online and tell who comes and goes")
    command.add_argument("--profile", type=Path, metavar="DIR", help="the laptop's profile; made if it is not there")
    command.add_argument("--nick", help="the child's name, for a new profile")
    command.add_argument("--seconds", type=float, default=60.0, help="how long (default: %(default)g)")
    command = _add(commands, "crowd", _crowd, "many laptops at once: does each see exactly the others?")
    command.add_argument("--count", type=int, required=True, help="how many laptops")
    command.add_argument("--seconds", type=float, default=60.0, help="how long they may take (default: %(default)g)")
    command.add_argument("--seed", help="make the same laptops again")
    command.add_argument("--no-queries", action="store_true", help="wait for keys by PEP instead of asking too")
    _add_leases(commands)
    load.add_options(_add(commands, "load", load.run, "let many laptops do for a morning what laptops do"))
    command = _add(commands, "schoolday", schoolday.run, "a whole school's day of presence, counted pair by pair")
    schoolday.add_options(command)
    return parser


def _add_leases(commands: _Commands) -> None:
    command = _add(commands, "boot", leases.booting, "start a locked laptop: its own lease, sticks, the network")
    leases.add_options(command)
    leases.add_boot_options(command)
    for name, run, text in (
        ("activate", leases.activation, "ask for a lease as a locked laptop at boot"),
        ("renew", leases.renewal, "ask for a new lease by theft deterrence"),
    ):
        command = _add(commands, name, run, text)
        leases.add_options(command)
        leases.add_output(command)


def _add(
    commands: _Commands, name: str, run: Callable[[argparse.Namespace], Awaitable[int]], text: str
) -> argparse.ArgumentParser:
    command = commands.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.set_defaults(run=run)
    command.add_argument("--server", required=True, metavar="FQDN", help="the school server's name")
    command.add_argument("--address", metavar="IP", help="connect here instead of asking the resolver")
    command.add_argument("--json", action="store_true", help="print JSON, for scripts")
    for service, port in vars(Ports()).items():
        command.add_argument(f"--{service.replace('_', '-')}-port", type=int, default=port, help=argparse.SUPPRESS)
    return command


def _add_check(commands: _Commands) -> None:
    command = _add(commands, "check", _check, "check what a laptop needs of a school server")
    known = ", ".join(SERVICES)
    command.add_argument(
        "--expect",
        type=_names,
        default=Options.expect,
        metavar="LIST",
        help=f"services that must work, of {known} (default: {','.join(Options.expect)})",
    )
    command.add_argument(
        "--expect-no", type=_names, default=(), metavar="LIST", help="services that must not be there"
    )
    command.add_argument(
        "--registration", choices=("accepted", "refused"), default="accepted", help="the right answer"
    )
    command.add_argument("--interface", metavar="IF", help="where to look for DHCP; by default that of --address")
    command.add_argument("--count", type=int, default=2, help="how many laptops (default: %(default)s)")
    command.add_argument("--domain", help="the LAN's domain (default: as DHCP says, or the server's)")
    command.add_argument("--outside", metavar="HOST:PORT", help="what the gateway should reach, or not")
    command.add_argument(
        "--fellows",
        type=_names,
        default=(),
        metavar="LIST",
        help="domains of schools that laptops must reach through it",
    )
    command.add_argument(
        "--authority",
        type=base64.b64decode,
        default=b"",
        metavar="BASE64",
        help="the certificate, DER, of whom the server's own has to be",
    )
    command.add_argument("--seed", help="make the same laptops again")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _towards(address: str | None) -> str | None:
    """The interface on which a laptop would ask for an address, if the server's is known."""
    try:
        return interface_towards(IPv4Address(address)) if address else None
    except (AddressValueError, OSError):
        return None


async def _check(arguments: argparse.Namespace) -> int:
    report = await check(
        Options(
            server=arguments.server,
            address=arguments.address,
            expect=arguments.expect,
            expect_no=arguments.expect_no,
            registration=arguments.registration,
            interface=arguments.interface or _towards(arguments.address),
            count=arguments.count,
            domain=arguments.domain,
            outside=arguments.outside,
            fellows=arguments.fellows,
            authority=arguments.authority,
            seed=arguments.seed,
            ports=Ports(**{name: getattr(arguments, f"{name}_port") for name in vars(Ports())}),
        )
    )
    print(json.dumps(report.as_dict(), indent=2) if arguments.json else _shown(report))
    return 0 if report.ok else 1


def _shown(report: Report) -> str:
    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    width = max(len(f"{found.service}: {found.check}") for found in report.checks)
    lines = []
    for found in report.checks:
        mark = "ok  " if found.ok else "FAIL"
        if coloured:
            mark = f"{_GREEN if found.ok else _RED}{mark}{_PLAIN}"
        name = f"{found.service}: {found.check}"
        lines.append(f"{mark} {name:<{width}}  {_printable(found.seen)}")
        lines.append(f"     {'tried: ' + found.tried}")
    good = sum(found.ok for found in report.checks)
    lines.append(f"{good} of {len(report.checks)} checks are as expected.")
    for known in report.identities:
        lines.append(f"still registered: {known.serial} {known.fingerprint} {known.jid}")
    lines += [f"still there: {_printable(text)}" for text in report.left]
    return "\n".join(lines)


def _printable(text: str) -> str:
    """What comes from a server does not steer the terminal."""
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def _profile(arguments: argparse.Namespace) -> Profile:
    if arguments.profile is None:
        return Profile.make(nick=arguments.nick)
    if (arguments.profile / "owner.key").exists():
        return Profile.load(arguments.profile)
    profile = Profile.make(nick=arguments.nick)
    profile.save(arguments.profile)
    return profile


async def _register(arguments: argparse.Namespace) -> int:
    profile = _profile(arguments)
    hardware = profile.attempt()
    if arguments.profile is not None:
        profile.note_attempt(arguments.profile, hardware)
    answer = await register(
        profile, arguments.server, hardware, address=arguments.address, port=arguments.registration_port
    )
    found = {
        "serial": hardware.serial,
        "fingerprint": profile.keys.fingerprint,
        "jabberserver": answer.jabberserver,
        "backupurl": answer.backupurl,
    }
    text = "\n".join(f"{name:<13}{_printable(value)}" for name, value in found.items())
    print(json.dumps(found, indent=2) if arguments.json else text)
    return 0


async def _online(arguments: argparse.Namespace) -> int:
    profile = _profile(arguments)
    session = Presence(profile, arguments.server, address=arguments.address, port=arguments.presence_port)
    await session.connect()
    print(f"online as {session.full_jid}", flush=True)
    shown: set[str] = set()
    loop = asyncio.get_running_loop()
    end = loop.time() + arguments.seconds
    while (left := end - loop.time()) > 0 and session.lost is None:
        await session.until(_others_than(shown), left)
        now = {buddy.jid: buddy for buddy in session.neighborhood}
        for jid in sorted(now.keys() - shown):
            print(f"+ {jid} {_printable(now[jid].nick or '')} {_printable(now[jid].color or '')}", flush=True)
        for jid in sorted(shown - now.keys()):
            print(f"- {jid}", flush=True)
        shown = set(now)
    if session.lost is not None:
        raise session.lost
    # A profile of its own comes back; one that was made up for now leaves nothing behind.
    await (session.leave() if arguments.profile is not None else session.remove_account())
    return 0


def _others_than(shown: set[str]) -> Callable[[Presence], bool]:
    before = frozenset(shown)
    return lambda session: {buddy.jid for buddy in session.neighborhood} != before


async def _crowd(arguments: argparse.Namespace) -> int:
    if not 1 <= arguments.count <= 10_000:
        raise InvalidInput("--count is a number of laptops from 1 to 10000")
    found = await crowd(
        arguments.server,
        arguments.count,
        seconds=arguments.seconds,
        seed=arguments.seed,
        address=arguments.address,
        port=arguments.presence_port,
        asks=not arguments.no_queries,
    )
    if arguments.json:
        print(json.dumps(found.as_dict(), indent=2))
    else:
        others = found.count - 1
        print(f"{found.online} of {found.count} online after {found.login_seconds} s")
        print(f"{found.exact} of {found.count} saw exactly the {others} others after {found.settle_seconds} s more")
        print(f"{found.missing} buddies missing, {found.strangers} strangers, {found.peak_mib} MiB at most")
        if found.failure:
            print(f"first failure: {_printable(found.failure)}")
    return 0 if found.ok else 1
