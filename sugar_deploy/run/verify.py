"""Checks every service as a laptop would: sugaroid, run where laptops are."""

from __future__ import annotations

import base64
import json
import re
import shlex
import ssl
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.remote.session import Answer, run, session
from sugar_deploy.run.parallel import side_by_side
from sugar_deploy.scenario.plan import Connection, Host
from sugar_deploy.scenario.variables import LanVariables, PresenceVariables, SugarServerVariables

CHECK_SECONDS = 600.0
AT_ONCE = 8
FORGET_AT_ONCE = 25

# What sugaroid calls the services of the plan that laptops reach, and those that they reach on a LAN only.
EXPECTED = {
    "registration": ("registration", "http"),
    "presence": ("presence",),
    "updates": ("updates", "http"),
    "statistics": ("statistics", "http"),
    "backup": ("backup", "http"),
    "pages": ("pages", "http"),
}
EXPECTED_ON_LAN = EXPECTED | {
    "antitheft": ("antitheft", "http"),
    "dns": ("dns",),
    "dhcp": ("dhcp",),
    "ntp": ("ntp",),
    "gateway": ("gateway",),
}
ONLY_FROM_A_LAPTOP = frozenset({"dhcp", "gateway"})
ONLY_FOR_THE_REGISTERED = frozenset({"backup", "statistics"})
"""What a laptop that is only pretended can try where it may register."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was tried."""

    service: str
    check: str
    tried: str
    seen: str
    ok: bool
    seconds: float = 0.0

    def told(self, width: int) -> list[str]:
        """What was tried and seen as lines of that width, for people; what a server sends steers no terminal."""
        lines = []
        for word, text in (("tried: ", self.tried), ("seen:  ", self.seen)):
            printable = "".join(sign if sign.isprintable() else "\ufffd" for sign in " ".join(text.split()))
            indented = " " * len(word)
            lines += textwrap.wrap(printable, width, initial_indent=word, subsequent_indent=indented) or [
                word.rstrip()
            ]
        return lines


@dataclass(frozen=True, slots=True)
class SchoolReport:
    """What a laptop finds at one school."""

    school: str
    vantage: str
    checks: tuple[Check, ...] = ()
    not_tried: tuple[str, ...] = field(default=())
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether all that was tried works, and something was."""
        return not self.error and bool(self.checks) and all(check.ok for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return {
            "ok": self.ok,
            "vantage": self.vantage,
            "error": self.error,
            "not_tried": list(self.not_tried),
            "checks": [{name: getattr(check, name) for name in Check.__slots__} for check in self.checks],
        }


def parse_vantages(values: Sequence[str], schools: Sequence[str]) -> dict[str, Connection]:
    """`[SCHOOL=][USER@]HOST[:PORT]`, by school; without SCHOOL it stands for the only one selected."""
    vantages: dict[str, Connection] = {}
    for value in values:
        match = re.fullmatch(r"(?:([a-z0-9-]+)=)?(?:([^@=]+)@)?([^@:=]+)(?::(\d{1,5}))?", value)
        if not match:
            raise UsageError(f"--from {value} is not understood", "Write [SCHOOL=][USER@]HOST[:PORT]")
        school, user, address, port = match.groups()
        if school is None and len(schools) != 1:
            raise UsageError(f"--from {value} does not say for which school", f"Write --from SCHOOL={value}")
        school = school or schools[0]
        if school not in schools:
            raise UsageError(f"--from {value} names a school that is not selected", f"Selected: {', '.join(schools)}")
        vantages[school] = Connection(address, int(port or 22), user or "root")
    return vantages


def expected_services(host: Host, *, on_laptop: bool) -> tuple[list[str], list[str]]:
    """What sugaroid is to check at this school, and what it cannot from there."""
    served = EXPECTED_ON_LAN if host.lan_address else EXPECTED
    wanted = (name for service, names in served.items() if service in host.services for name in names)
    names = [name for name in dict.fromkeys(wanted) if name != "updates" or _daemon(host).updates.activities]
    impossible = frozenset() if on_laptop else ONLY_FROM_A_LAPTOP
    if "registration" not in host.services or _daemon(host).who == "listed":
        impossible |= ONLY_FOR_THE_REGISTERED
    return [name for name in names if name not in impossible], [name for name in names if name in impossible]


def _daemon(host: Host) -> SugarServerVariables:
    return next(own for own in host.variables if isinstance(own, SugarServerVariables))


def _presence(host: Host) -> PresenceVariables:
    return next(own for own in host.variables if isinstance(own, PresenceVariables))


def check_argv(
    host: Host, expected: Sequence[str], *, on_laptop: bool, authority: Path | None = None
) -> tuple[str, ...]:
    """The argv of `sugaroid check` for a school; its server proves itself by AUTHORITY, if that file is there."""
    argv = ["sugaroid", "check", "--json", "--server", host.fqdn, "--expect", ",".join(expected)]
    if "pages" not in host.services and _daemon(host).state == "present":
        argv += ["--expect-no", "pages"]
    lan = next(own for own in host.variables if isinstance(own, LanVariables))
    if host.lan_address:
        argv += ["--domain", lan.domain]
    if "presence" in expected and (fellows := _presence(host).peers):
        argv += ["--fellows", ",".join(fellow.domain for fellow in fellows)]
    if "presence" in expected and authority and authority.exists():
        argv += ["--authority", pem_content(authority)]
    argv += address_words(host, on_laptop=on_laptop)
    # A pretended laptop is on no school's list.
    if _daemon(host).who == "listed":
        argv += ["--registration", "refused"]
    return tuple(argv)


def pem_content(path: Path) -> str:
    """What a certificate's file holds (RFC 7468), in one line of base64; DeployError for any other file."""
    try:
        return base64.b64encode(ssl.PEM_cert_to_DER_cert(path.read_text(encoding="ascii"))).decode()
    except ValueError:
        raise DeployError(f"{path} is no certificate", "Restore it from version control") from None


def address_words(host: Host, *, on_laptop: bool) -> list[str]:
    """Where sugaroid connects to, if not where the resolver says."""
    if host.lan_address:
        return ["--address", str(host.lan_address)]
    return [] if on_laptop else ["--address", "127.0.0.1"]


def forget_commands(identities: Sequence[str], *, backups: bool) -> list[str]:
    """What removes laptops from a server, so many at a time that each command ends in its time."""
    # One whose answer was lost may be registered or not.
    commands = [*([("remove-backups", "--yes")] if backups else []), ("forget", "--if-registered")]
    parts = [identities[start : start + FORGET_AT_ONCE] for start in range(0, len(identities), FORGET_AT_ONCE)]
    return [shlex.join(("sugar-server", *command, *part)) for part in parts for command in commands]


def read_report(answer: Answer) -> tuple[tuple[Check, ...], list[str]]:
    """The checks of a sugaroid's report, and the fingerprints of the laptops that it pretended to be."""
    try:
        report = json.loads(answer.out)
        checks = tuple(Check(**{name: item[name] for name in Check.__slots__}) for item in report["checks"])
        return checks, [str(identity["fingerprint"]) for identity in report["identities"]]
    except (ValueError, KeyError, TypeError) as error:
        raise no_report(answer) from error


def no_report(answer: Answer) -> DeployError:
    """What is wrong where sugaroid answers anything else."""
    said = (answer.err or answer.out).strip().splitlines()
    return DeployError(
        f"sugaroid did not report: {said[-1] if said else f'exit status {answer.status}'}",
        "Is the package sugaroid installed there? `sugar-deploy apply` installs it on servers",
    )


@dataclass(frozen=True, slots=True)
class Verifier:
    """Verifies schools, each from its vantage."""

    folder: Folder
    private_key: Path | None
    vantages: Mapping[str, Connection]

    def school(self, host: Host) -> SchoolReport:
        """What a laptop finds at this school; an unreachable vantage is a report too."""
        laptop = self.vantages.get(host.name)
        vantage = laptop or host.connection
        expected, not_tried = expected_services(host, on_laptop=laptop is not None)
        where = f"{vantage.user}@{vantage.address}:{vantage.port}"
        label = f"a laptop, {where}" if laptop else "the server itself"
        try:
            checks, identities = self._check(host, vantage, expected, on_laptop=laptop is not None)
            self.forget(host, identities, backups="backup" in expected)
        except DeployError as error:
            return SchoolReport(host.name, label, not_tried=tuple(not_tried), error=str(error))
        return SchoolReport(host.name, label, checks, tuple(not_tried))

    def _check(
        self, host: Host, vantage: Connection, expected: Sequence[str], *, on_laptop: bool
    ) -> tuple[tuple[Check, ...], list[str]]:
        argv = check_argv(host, expected, on_laptop=on_laptop, authority=self.folder.authority)
        return read_report(self.sugaroid(vantage, argv, CHECK_SECONDS))

    def sugaroid(self, vantage: Connection, argv: Sequence[str], seconds: float) -> Answer:
        """What sugaroid answers at a vantage, as root."""
        command = shlex.join(argv) if vantage.user == "root" else f"sudo -n {shlex.join(argv)}"
        with session(vantage, self.folder.known_hosts, self.private_key) as client:
            return run(client, command, timeout_seconds=seconds)

    def forget(self, host: Host, identities: Sequence[str], *, backups: bool) -> None:
        """Remove the laptops that were only pretended, and their backups."""
        if not identities:
            return
        sudo = "" if host.connection.user == "root" else "sudo -n "
        with session(host.connection, self.folder.known_hosts, self.private_key) as client:
            for command in forget_commands(identities, backups=backups):
                answer = run(client, f"{sudo}{command}")
                if answer.status:
                    raise DeployError(
                        f"a pretended laptop could not be removed: {answer.err.strip()}", f"On {host.name}: {command}"
                    )

    def schools(self, hosts: Sequence[Host], done: Callable[[SchoolReport], None]) -> list[SchoolReport]:
        """All of them, some at a time; `done` is told of each as it ends."""
        reports = []
        for report in side_by_side(self.school, hosts, AT_ONCE):
            done(report)
            reports.append(report)
        return reports
