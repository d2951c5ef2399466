"""What the commands on laptops' keys and leases share: their options, the set, its passphrase, the time."""

from __future__ import annotations

import functools
import stat
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click

from sugar_deploy.cli.options import folder_option, verbosity_options
from sugar_deploy.errors import UsageError
from sugar_deploy.folder import Folder

if TYPE_CHECKING:
    from olpc_security.keys import PrivateKey

    from sugar_deploy.keys.laptop.keyset import KeySet

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Asked:
    """Whose keys a command is to use, and how it is to speak."""

    folder: Folder
    demo: bool
    quiet: bool
    passphrase_file: Path | None
    now: int
    """When the command was given, in Unix seconds."""

    @property
    def keys(self) -> KeySet:
        """The deployment's keys, a demonstration's own ones; raises UsageError for those anywhere else."""
        from sugar_deploy.deployment.load import load
        from sugar_deploy.keys.laptop.keyset import KeySet

        deployment = load(self.folder)
        if self.demo and not deployment.demonstration:
            raise UsageError(
                f"{deployment.name} is no demonstration: its laptops must not trust keys that protect nothing",
                f"Leave --demo; or if it is one, write `demonstration: true` into {self.folder.file}",
            )
        return KeySet(self.folder, deployment.name, demo=deployment.demonstration)

    def passphrase(self, *, new: bool = False) -> str:
        """The passphrase of the keys; one that is NEW is typed twice."""
        return passphrase(self.passphrase_file, new=new)

    def signer(self, name: str) -> PrivateKey:
        """The present key of a name, ready to sign."""
        return self.keys.signer(name, self.passphrase(), self.now)

    def tell(self, *lines: object) -> None:
        """Print lines, unless the command is to be quiet."""
        if not self.quiet:
            for line in lines:
                click.echo(str(line))

    @property
    def mark(self) -> str:
        """What stands behind whatever is made with the keys for demonstrations."""
        return ", FOR DEMONSTRATIONS ONLY" if self.keys.demo else ""


def keys_options(function: F) -> F:
    """-C DIR, --demo, -v/-q: for what needs public keys; passed as `asked: Asked`."""
    return verbosity_options(_demo_option(folder_option(_gathered(function))))


def signing_options(function: F) -> F:
    """The same and --passphrase-file FILE: for what needs private keys."""
    return verbosity_options(_demo_option(_passphrase_option(folder_option(_gathered(function)))))


def _gathered(function: F) -> F:
    @functools.wraps(function)
    def run(
        *, folder: Folder, demo: bool, verbose: int, quiet: bool, passphrase_file: Path | None = None, **own: Any
    ) -> Any:
        return function(asked=Asked(folder, demo, quiet, passphrase_file, now()), **own)

    return cast(F, run)  # click only ever calls it by the options' names


def _demo_option(function: F) -> F:
    """--demo: the keys for demonstrations; passed as `demo: bool`."""
    return click.option("--demo", is_flag=True, help="The keys for demonstrations, which protect nothing.")(function)


def _passphrase_option(function: F) -> F:
    """--passphrase-file FILE; passed as `passphrase_file: Path | None`."""
    return click.option(
        "--passphrase-file",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Read the passphrase from this file instead of asking for it.",
    )(function)


def years_option(function: F) -> F:
    """--years N; passed as `years: int`."""
    return click.option(
        "--years", type=click.IntRange(1, 60), default=10, show_default=True, help="Sign with it for so long."
    )(function)


def passphrase(file: Path | None, *, new: bool = False) -> str:
    """The passphrase from a file that nobody else can read, or as it is typed; twice where it is NEW."""
    if file is None:
        if not sys.stdin.isatty():
            raise UsageError("nobody is there to type the passphrase", "Name a file: --passphrase-file")
        typed: str = click.prompt("Passphrase of the keys", hide_input=True, confirmation_prompt=new, err=True)
        return typed
    if stat.S_IMODE(file.stat().st_mode) & 0o077:
        raise UsageError(f"others can read the passphrase in {file}", f"Run: chmod 600 {file}")
    try:
        text = file.read_text("utf-8").removesuffix("\n")
    except UnicodeDecodeError:
        text = ""
    if not text or "\n" in text:
        raise UsageError(f"{file} does not hold a passphrase as its only line", "Write it there, or leave the option")
    return text


def now() -> int:
    """The present in Unix seconds."""
    return int(time.time())
