"""Verifies schools under load: many laptops that do for a morning what laptops do, after the checks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.remote.session import Answer
from sugar_deploy.run.verify import (
    ONLY_FOR_THE_REGISTERED,
    Check,
    SchoolReport,
    Verifier,
    address_words,
    expected_services,
    no_report,
)
from sugar_deploy.scenario.plan import Host

MOST_LAPTOPS = 1000
COMPRESS = 10
"""The half hour of a school morning takes three minutes."""
MORNING_SECONDS = 30 * 60 / COMPRESS
SECONDS_FOR_A_LAPTOP = 10.0
"""Its transfers, on a small machine, one after the other."""
_SERVICES = {
    "registration": ("registration",),
    "backup": ("backup", "restore"),
    "updates": ("updates",),
    "statistics": ("statistics",),
    "pages": ("pages",),
}
"""What `sugaroid load` calls what `sugaroid check` checks."""


@dataclass(frozen=True, slots=True)
class LoadingVerifier(Verifier):
    """A verifier that afterwards lets so many laptops come; the same ones for the same seed."""

    laptops: int = 0
    seed: str = "verify"

    def __post_init__(self) -> None:
        if not 1 <= self.laptops <= MOST_LAPTOPS:
            raise UsageError(f"--load {self.laptops} is no number of laptops", f"Give one from 1 to {MOST_LAPTOPS}")

    def school(self, host: Host) -> SchoolReport:
        """The checks, then the load."""
        report = Verifier.school(self, host)
        if report.error:
            return report
        services = load_services(host)
        if not services:
            return replace(report, not_tried=(*report.not_tried, "load"))
        try:
            checks = self._load(host, services)
        except DeployError as error:
            return replace(report, error=str(error))
        return replace(report, checks=report.checks + checks)

    def _load(self, host: Host, services: list[str]) -> tuple[Check, ...]:
        laptop = self.vantages.get(host.name)
        argv = load_argv(host, services, self.laptops, self.seed, on_laptop=laptop is not None)
        seconds = 2 * MORNING_SECONDS + SECONDS_FOR_A_LAPTOP * self.laptops
        report = read_load(self.sugaroid(laptop or host.connection, argv, seconds))
        self.forget(host, [each["fingerprint"] for each in report["identities"]], backups="backup" in services)
        return tuple(load_checks(report))


def load_services(host: Host) -> list[str]:
    """What the laptops use; nothing where none may register."""
    expected, _ = expected_services(host, on_laptop=False)
    if "registration" not in expected or (ONLY_FOR_THE_REGISTERED & set(host.services)) - set(expected):
        return []
    return [name for service, names in _SERVICES.items() if service in expected for name in names]


def load_argv(host: Host, services: list[str], laptops: int, seed: str, *, on_laptop: bool) -> tuple[str, ...]:
    """The argv of `sugaroid load` for a school."""
    argv = ("sugaroid", "load", "--json", "--server", host.fqdn, *address_words(host, on_laptop=on_laptop))
    what = ("--laptops", str(laptops), "--seed", seed, "--compress", str(COMPRESS), "--services", ",".join(services))
    return (*argv, *what)


def read_load(answer: Answer) -> dict[str, Any]:
    """The report of `sugaroid load`, its shape proved."""
    try:
        report: dict[str, Any] = json.loads(answer.out)
        list(load_checks(report))
        _ = [each["fingerprint"] for each in report["identities"]]
        return report
    except (ValueError, KeyError, TypeError) as error:
        raise no_report(answer) from error


def load_checks(report: Mapping[str, Any]) -> Iterator[Check]:
    """One check for each thing that the laptops did."""
    tried = f"{report['laptops']} laptops of --seed {report['seed']}"
    for title in ("day_before", "morning"):
        for name, figure in report[title]["figures"].items():
            done, failed, later, took = (figure[key] for key in ("done", "failed", "later", "seconds"))
            seen = f"{done} done, half of them within {took['p50']:.1f} s, 99 of 100 within {took['p99']:.1f} s"
            seen += f"; {later} were told to come later" if later else ""
            seen += "".join(f"; {times} failed: {why}" for why, times in figure["reasons"].items())
            ok = not failed and (done > 0 or not later)
            yield Check("load", f"{name}, {title.replace('_', ' ')}", tried, seen, ok, took["max"])
    if report["interrupted"]:
        yield Check("load", "the whole morning", tried, "it was interrupted", ok=False)
