"""GnuPG in a home of its own, with its passphrase out of argv and off the disk."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError

# A socket's path holds 107 bytes, of which gpg-agent needs 20 for "/S.gpg-agent.browser".
_LONGEST_HOME = 86
_AGENT_CONFIGURATION = "default-cache-ttl 0\nmax-cache-ttl 0\n"


@dataclass(frozen=True, slots=True)
class Gpg:
    """An open GnuPG home, for the time of a `with`; the descriptor holds the passphrase."""

    home: Path
    passphrase: int

    @property
    def environment(self) -> dict[str, str]:
        """For gpg and for programs that call it."""
        return clean_environment() | {"GNUPGHOME": str(self.home)}

    @property
    def passphrase_file(self) -> str:
        """The passphrase as a file, for children that inherit the descriptor."""
        return f"/dev/fd/{self.passphrase}"

    def run(self, *arguments: str, text: str | None = None) -> str:
        """gpg's standard output; raises DeployError with what it said."""
        result = subprocess.run(
            gpg_argv(self.passphrase_file, *arguments),
            env=self.environment,
            pass_fds=(self.passphrase,),
            capture_output=True,
            text=True,
            input=text or "",
            check=False,
        )
        if result.returncode:
            raise DeployError(f"gpg {arguments[0]} failed in {self.home}: {_said(result.stderr)}")
        return result.stdout


def gpg_argv(passphrase_file: str, *arguments: str) -> list[str]:
    """The gpg command that asks nobody."""
    fixed = ["gpg", "--batch", "--no-tty", "--pinentry-mode", "loopback", "--passphrase-file", passphrase_file]
    return [*fixed, *arguments]


def clean_environment() -> dict[str, str]:
    """What children get to see of this process's environment: no language, nobody's GnuPG home."""
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR", "XDG_RUNTIME_DIR") if name in os.environ}
    return kept | {"LC_ALL": "C.UTF-8", "TZ": "UTC"}


def _said(stderr: str) -> str:
    lines = [line.removeprefix("gpg: ") for line in stderr.strip().splitlines() if line.startswith("gpg: ")]
    return "; ".join(lines[-3:]) or "no reason given"


@contextlib.contextmanager
def opened(home: Path, passphrase: str) -> Iterator[Gpg]:
    """A GnuPG home ready for use; its agent is ended on leaving, so that nothing stays unlocked."""
    require_gpg()
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    home.chmod(0o700)
    (home / "gpg-agent.conf").write_text(_AGENT_CONFIGURATION)
    with contextlib.ExitStack() as stack:
        short = stack.enter_context(_short(home.resolve()))
        descriptor = os.memfd_create("passphrase")
        stack.callback(os.close, descriptor)
        os.write(descriptor, passphrase.encode() + b"\n")
        stack.callback(_end_agents, short)
        yield Gpg(short, descriptor)


@contextlib.contextmanager
def _short(home: Path) -> Iterator[Path]:
    """A name of the home that is short enough for its sockets.

    The same link each time, in the user's cache: what a killed run leaves is what the next one needs.
    """
    if len(os.fsencode(home)) <= _LONGEST_HOME:
        yield home
        return
    name = hashlib.sha256(os.fsencode(home)).hexdigest()[:12]
    link = cache_home(os.environ) / "sugar-deploy" / "gnupg" / name
    if len(os.fsencode(link)) > _LONGEST_HOME:
        with tempfile.TemporaryDirectory(prefix="gnupg-") as folder:
            (Path(folder) / "home").symlink_to(home)
            yield Path(folder) / "home"
        return
    link.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(FileExistsError):
        link.symlink_to(home)
    yield link


def cache_home(environment: Mapping[str, str]) -> Path:
    """The user's cache, as the XDG rules say: a relative path in the variable counts as none."""
    base = Path(environment.get("XDG_CACHE_HOME", ""))
    return base if base.is_absolute() else Path(environment.get("HOME") or Path.home()) / ".cache"


def _end_agents(home: Path) -> None:
    subprocess.run(
        ["gpgconf", "--homedir", str(home), "--kill", "all"],
        env=clean_environment(),
        capture_output=True,
        check=False,
    )


def require_gpg() -> None:
    """Raise DeployError with the remedy unless GnuPG is installed."""
    if not all(shutil.which(program) for program in ("gpg", "gpgconf", "gpg-agent")):
        raise DeployError("GnuPG is not installed", "Run: sudo apt-get install gnupg")
