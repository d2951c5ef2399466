"""Running programs: a failure shows the line that one can paste, and what the program said."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sugar_deploy.errors import DeployError

Argv = Sequence[str]


def execute(argv: Argv, *, timeout_seconds: float = 120, log: Path | None = None, remedy: str = "") -> str:
    """What the program printed; DeployError when it fails. With LOG, everything it says goes there instead."""
    try:
        if log is None:
            done = subprocess.run(
                argv, capture_output=True, text=True, timeout=timeout_seconds, stdin=subprocess.DEVNULL, check=False
            )
            said = done.stderr.strip() or done.stdout.strip()
        else:
            with log.open("w", encoding="utf-8") as out:
                done = subprocess.run(
                    argv,
                    stdout=out,
                    stderr=out,
                    text=True,
                    timeout=timeout_seconds,
                    stdin=subprocess.DEVNULL,
                    check=False,
                )
            said = _tail(log)
    except FileNotFoundError:
        raise DeployError(f"{argv[0]} is not installed", remedy or package_remedy(argv[0])) from None
    except subprocess.TimeoutExpired:
        raise DeployError(f"`{shlex.join(argv)}` took more than {timeout_seconds:.0f} seconds", remedy) from None
    if done.returncode:
        where = f" (whole log: {log})" if log else ""
        raise DeployError(f"`{shlex.join(argv)}` failed: {said or f'status {done.returncode}'}{where}", remedy)
    return done.stdout or ""


_PACKAGES = {
    "mmdebstrap": "mmdebstrap",
    "systemd-nspawn": "systemd-container",
    "qemu-system-x86_64": "qemu-system-x86",
    "qemu-system-aarch64": "qemu-system-arm",
    "qemu-img": "qemu-utils",
    "mkfs.ext4": "e2fsprogs",
    "ip": "iproute2",
    "ssh-keygen": "openssh-client",
    "ssh": "openssh-client",
    "mformat": "mtools",
    "mcopy": "mtools",
}


def package_remedy(program: str) -> str:
    """How to get PROGRAM on Debian."""
    return f"Install it: sudo apt install {_PACKAGES.get(program, program)}"


def _tail(log: Path, lines: int = 5) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
