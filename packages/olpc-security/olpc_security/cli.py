# SPDX-License-Identifier: GPL-3.0-or-later
"""The program `olpc-security`: words in, text and exit status out."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from olpc_security.explain import DEVELOPER_KEYS, LEASES, RTC_RESETS, Asked, explain, inspect
from olpc_security.keys import PublicKey
from olpc_security.laptop import Laptop
from olpc_security.mfgdata import read_tags
from olpc_security.rules import Refusal
from olpc_security.scan import Clock
from olpc_security.times import seconds_of
from olpc_security.trust import PURPOSES, TrustedKeys, trusted_keys

_EXAMPLES = """examples:
  olpc-security inspect lease.sig
  olpc-security verify lease.sig --serial SHC12345678 --uuid 0AB12C3D-1234-5678-9ABC-DEF012345678 \\
      --key a=lease.public
  olpc-security verify lease.sig --mfg-data mfg-data.bin --now 20270101T000000Z

exit status: 0 the laptop takes the file, 1 it refuses it, 2 wrong input or usage
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit status."""
    arguments = _parser().parse_args(argv)
    try:
        status: int = arguments.run(arguments)
    except OSError as error:
        print(f"olpc-security: {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="olpc-security",
        description="Tells what is in a lease or key file, and why a laptop does not accept it.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    looking = commands.add_parser("inspect", help="tell what is in a file")
    looking.add_argument("file", type=Path)
    looking.set_defaults(run=_inspect)
    verifying = commands.add_parser("verify", help="tell whether a laptop takes a file, or the first rule broken")
    verifying.add_argument("file", type=Path)
    verifying.add_argument("--as", dest="kind", choices=(LEASES, DEVELOPER_KEYS, RTC_RESETS), default="")
    verifying.add_argument("--serial", help="the laptop's serial number")
    verifying.add_argument("--uuid", help="the laptop's UUID")
    verifying.add_argument("--mfg-data", type=Path, metavar="FILE", help="its manufacturing data instead")
    verifying.add_argument(
        "--key",
        action="append",
        default=[],
        metavar="PURPOSE=FILE",
        help="a key that it trusts: a for leases and clock resets, d for developer keys",
    )
    verifying.add_argument(
        "--now", metavar="TIME", help="the laptop's clock, YYYYMMDDTHHMMSSZ; the present by default"
    )
    verifying.add_argument(
        "--rtc", nargs=2, metavar=("TIME", "COUNT"), help="what it shows when its clock is in doubt"
    )
    verifying.set_defaults(run=_verify)
    return parser


def _inspect(arguments: argparse.Namespace) -> int:
    try:
        for line in inspect(arguments.file.read_bytes()):
            print(line)
    except Refusal as refusal:
        print(f"olpc-security: {arguments.file}: {refusal}", file=sys.stderr)
        return 1
    return 0


def _verify(arguments: argparse.Namespace) -> int:
    data = arguments.file.read_bytes()
    try:
        asked = _asked(arguments)
    except Refusal as refusal:
        print(f"olpc-security: {refusal}", file=sys.stderr)
        return 2
    verdict = explain(data, asked, arguments.kind)
    print(f"{arguments.file}: {verdict}")
    return 0 if verdict.is_valid else 1


def _asked(arguments: argparse.Namespace) -> Asked:
    tags = read_tags(arguments.mfg_data.read_bytes()) if arguments.mfg_data else {}
    laptop = Laptop.from_tags(tags) if tags else Laptop(arguments.serial or "", arguments.uuid or "")
    trusted = {purpose: trusted_keys(tags, purpose).keys for purpose in PURPOSES}
    for wish in arguments.key:
        purpose, _, file = wish.partition("=")
        trusted[purpose] = (*trusted.get(purpose, ()), PublicKey(Path(file).read_bytes()))
    now = seconds_of(arguments.now) if arguments.now else int(time.time())
    clock = Clock(*arguments.rtc) if arguments.rtc else None
    return Asked(laptop, {purpose: TrustedKeys(keys) for purpose, keys in trusted.items()}, now, clock)
