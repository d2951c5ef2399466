"""Who asks for what cannot be had, and what may have been meant."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sugar_deploy.errors import UsageError
from sugar_deploy.repository.debs import Deb
from sugar_deploy.repository.derive.seeds import KERNEL, asked_by
from sugar_deploy.scenario.plan import Plan


@dataclass(frozen=True, slots=True)
class Refusals:
    """Errors in the deployer's words, for one suite and architecture."""

    plan: Plan
    own: Sequence[Deb]
    where: str
    """The suite and architecture, for people."""
    who: str = ""
    """Who asks for all of it; else each package tells."""

    def error(self, names: Iterable[str], why: str, known: frozenset[str]) -> UsageError:
        """The error for packages that apt does not install: those that do not exist, else apt's own reason.

        KNOWN is every package that can be asked for.
        """
        asked = [name.partition("=")[0] for name in names if not name.startswith("?")]
        unknown = [name for name in asked if name not in known]
        if unknown:
            return UsageError(
                ". ".join(f"{self._who(name)}: there is no package {name} in {self.where}" for name in unknown),
                self._without_kernel(unknown)
                or " ".join(filter(None, (_meant(name, known, alone=len(unknown) == 1) for name in unknown)))
                or "Correct the name, or remove it; https://packages.debian.org knows them all",
            )
        blamed = [name for name in asked if name in why.replace(";", " ").replace(",", " ").split()] or asked
        who = ", ".join(dict.fromkeys(self._who(name) for name in blamed))
        return UsageError(f"{who}: not installable in {self.where}: {why}", "Change or remove one of these packages")

    def _who(self, name: str) -> str:
        return self.who or asked_by(name, self.plan, self.own)

    def _without_kernel(self, unknown: Sequence[str]) -> str:
        """The remedy where nobody has written those names, but Debian's usual ones are not there."""
        if {self._who(name) for name in unknown} != {KERNEL}:
            return ""
        return "Say `kernel: false` under `repository:`, and name this mirror's own kernel under `packages:`"


def _meant(name: str, known: Iterable[str], *, alone: bool) -> str:
    close = difflib.get_close_matches(name, known, 1, 0.75)
    if not close:
        return ""
    return f'Did you mean "{close[0]}"?' if alone else f'Instead of {name}, did you mean "{close[0]}"?'
