"""Is this machine fit to be a school server? Each check with what was seen, and the remedy where it fails."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import paramiko

from sugar_deploy.errors import DeployError
from sugar_deploy.remote.session import run

MIN_DISK_MIB = 2048
MIN_MEMORY_MIB = 230  # A 256 MB laptop shows less than it has.
MAX_CLOCK_SECONDS = 300.0
SUPPORTED = {"bookworm": "12", "trixie": "13"}
ARCHITECTURES = frozenset({"amd64", "arm64", "i386", "armhf"})

# Prints name=value lines; every line is safe on a machine that lacks the thing asked for.
SCRIPT = r"""
. /etc/os-release 2>/dev/null
echo "os=$ID"
echo "release=${VERSION_CODENAME:-unknown}"
echo "version=${VERSION_ID:-unknown}"
echo "architecture=$(dpkg --print-architecture 2>/dev/null)"
echo "init=$(cat /proc/1/comm 2>/dev/null)"
echo "python=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null)"
echo "disk_mib=$(df -Pm /var 2>/dev/null | awk 'NR==2 {print $4}')"
echo "memory_mib=$(awk '/^MemTotal:/ {print int($2/1024)}' /proc/meminfo 2>/dev/null)"
echo "clock=$(date +%s)"
echo "user=$(id -un)"
echo "uid=$(id -u)"
echo "interfaces=$(ls /sys/class/net 2>/dev/null | tr '\n' ' ')"
if [ "$(id -u)" = 0 ]; then echo sudo=root
elif ! command -v sudo >/dev/null; then echo sudo=missing
elif sudo -n true 2>/dev/null; then echo sudo=free
else echo sudo=password; fi
"""


@dataclass(frozen=True, slots=True)
class Finding:
    """One check of a machine."""

    check: str
    seen: str
    ok: bool
    remedy: str = ""


def facts(client: paramiko.SSHClient) -> dict[str, str]:
    """What the machine says of itself, by name."""
    before = time.time()
    answer = run(client, SCRIPT)
    if answer.status:
        raise DeployError(f"the machine cannot be examined: {answer.err.strip()}", "Does its user have a shell?")
    found = dict(line.split("=", 1) for line in answer.out.splitlines() if "=" in line)
    # Half the round trip is the best guess of when the machine read its clock.
    found["clock_offset"] = str(float(found.get("clock") or 0) - (before + time.time()) / 2)
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _system(facts: Mapping[str, str]) -> Finding:
    seen = f"{facts.get('os')} {facts.get('version')} ({facts.get('release')})"
    ok = facts.get("os") == "debian" and facts.get("release") in SUPPORTED
    return Finding("system", seen, ok, "" if ok else "Install Debian 12 (bookworm) or 13 (trixie)")


def _architecture(facts: Mapping[str, str]) -> Finding:
    seen = facts.get("architecture") or "unknown"
    return Finding(
        "architecture",
        seen,
        seen in ARCHITECTURES,
        "" if seen in ARCHITECTURES else f"Supported are {', '.join(sorted(ARCHITECTURES))}",
    )


def _init(facts: Mapping[str, str]) -> Finding:
    seen = facts.get("init") or "unknown"
    return Finding("init", seen, seen == "systemd", "" if seen == "systemd" else "Boot the machine with systemd")


def _python(facts: Mapping[str, str]) -> Finding:
    seen = facts.get("python") or "none"
    ok = seen != "none" and tuple(int(part) for part in seen.split(".")) >= (3, 9)
    return Finding("python", seen, ok, "" if ok else "On the machine: apt-get install python3")


def _sudo(facts: Mapping[str, str]) -> Finding:
    kind = facts.get("sudo", "missing")
    seen = {
        "root": "logged in as root",
        "free": "without a password",
        "password": "asks for a password",
        "missing": "not installed",
    }[kind]
    ok = kind in {"root", "free", "password"}
    return Finding(
        "sudo",
        seen,
        ok,
        "" if ok else f"As root on the machine: apt-get install sudo && adduser {facts.get('user')} sudo",
    )


def _disk(facts: Mapping[str, str]) -> Finding:
    free_mib = _number(facts.get("disk_mib", ""))
    ok = free_mib >= MIN_DISK_MIB
    return Finding(
        "disk",
        f"{free_mib:.0f} MiB free in /var",
        ok,
        "" if ok else f"Free {MIN_DISK_MIB} MiB, or use a larger disk",
    )


def _memory(facts: Mapping[str, str]) -> Finding:
    size_mib = _number(facts.get("memory_mib", ""))
    ok = size_mib >= MIN_MEMORY_MIB
    return Finding("memory", f"{size_mib:.0f} MiB", ok, "" if ok else "A school server needs 256 MB")


def _clock(facts: Mapping[str, str]) -> Finding:
    offset = _number(facts.get("clock_offset", ""))
    ok = abs(offset) <= MAX_CLOCK_SECONDS
    return Finding(
        "clock",
        f"{offset:+.0f} s against this machine",
        ok,
        "" if ok else "Set it: signatures and leases depend on it (`date -s`, and the battery of its clock)",
    )


CHECKS: tuple[Callable[[Mapping[str, str]], Finding], ...] = (
    _system,
    _architecture,
    _init,
    _python,
    _sudo,
    _disk,
    _memory,
    _clock,
)


def examine(facts: Mapping[str, str], interfaces: tuple[str, ...] = ()) -> tuple[Finding, ...]:
    """All checks of a machine; `interfaces` are those that the deployment file names for it."""
    findings = [check(facts) for check in CHECKS]
    present = facts.get("interfaces", "").split()
    for name in interfaces:
        ok = name in present
        findings.append(
            Finding(
                f"interface {name}",
                "present" if ok else f"absent; there are {', '.join(present)}",
                ok,
                "" if ok else "Correct the interface in deployment.yml, or plug the adapter in",
            )
        )
    return tuple(findings)


def sudo_password_works(client: paramiko.SSHClient, password: str) -> bool:
    """Whether sudo takes this password, which goes through standard input only."""
    return run(client, "sudo -S -k -p '' true", password + "\n").status == 0
