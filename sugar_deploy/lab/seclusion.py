"""Proves that a machine has no way out: no route, no names, no packages, nobody who answers."""

from __future__ import annotations

from dataclasses import dataclass

from sugar_deploy.lab.machine import Machine
from sugar_deploy.lab.spec import APT_PORT, FAR_ADDRESS, INTERNET_ADDRESS

AT_ONCE_SECONDS = 10.0
"""What has no network says so at once: an installation that waits for one would wait longer."""

DEBIANS_OWN = ("Dir::Etc::SourceList=/etc/apt/sources.list", "Dir::Etc::SourceParts=/etc/apt/sources.list.d")

_LISTS = "/var/tmp/lab-lists"  # noqa: S108 - a folder of the machine's


@dataclass(frozen=True, slots=True)
class Tried:
    """One way out, tried on the machine."""

    tried: str
    shut: bool
    seen: str


# Prints what came of it, and nothing but "yes" where it got through.
_CONNECT = """import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), 8).close()
    print("yes")
except OSError as error:
    print(error.strerror or error)
"""
_FETCH = """import sys, urllib.request
try:
    urllib.request.urlopen(sys.argv[1], timeout=8).close()
    print("yes")
except OSError as error:
    print(error)
"""


def prove_secluded(machine: Machine) -> list[Tried]:
    """Try every way out there could be."""
    found = [_routes(machine)]
    for address, port in ((INTERNET_ADDRESS, 80), (FAR_ADDRESS, 443), ("127.0.0.1", APT_PORT)):
        found.append(_python(machine, f"connect to {address}:{port}", _CONNECT, address, str(port)))
    found.append(_python(machine, "pypi.org, where pip asks", _FETCH, "https://pypi.org/simple/"))
    found.append(_apt(machine))
    if pip := machine.run(("find", "/opt/sugar-deploy", "-path", "*/bin/pip"), check=False).stdout.split():
        found.append(_pip(machine, pip[0]))
    return found


def _routes(machine: Machine) -> Tried:
    both = [machine.run(("ip", family, "route", "show", "default")).stdout.strip() for family in ("-4", "-6")]
    said = "; ".join(filter(None, both))
    return Tried("a default route", not said, said or "none")


def _python(machine: Machine, tried: str, program: str, *words: str) -> Tried:
    said = machine.run(("python3", "-I", "-c", program, *words), timeout_seconds=60).stdout.strip()
    return Tried(tried, said not in {"yes", ""}, said)


def _apt(machine: Machine) -> Tried:
    """With Debian's own sources, as they are on the machine."""
    options = ("APT::Update::Error-Mode=any", "Acquire::Retries=0", f"Dir::State::Lists={_LISTS}", *DEBIANS_OWN)
    words = ("timeout", str(AT_ONCE_SECONDS), "apt-get", "-q", *(f"-o{each}" for each in options), "update")
    machine.run(("mkdir", "-p", f"{_LISTS}/partial"))
    done = machine.run(words, check=False, timeout_seconds=60)
    machine.run(("rm", "-r", _LISTS))
    lines = [line for line in done.stderr.splitlines() if line.startswith(("E:", "W:"))] or ["no error"]
    shut = done.returncode == 100 and "resolv" in done.stderr
    return Tried("apt-get update from Debian", shut, lines[0])


def _pip(machine: Machine, pip: str) -> Tried:
    """As sugar-deploy's own environment has it, once it is installed."""
    options = ("--isolated", "download", "--no-deps", "--no-input", "--retries", "0")
    words = ("timeout", "60", pip, *options, "--dest", _LISTS, "six")
    done = machine.run(words, check=False, timeout_seconds=90)
    lines = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no error"]
    return Tried("pip download", done.returncode == 1 and "(from versions: none)" in lines[0], lines[0])
