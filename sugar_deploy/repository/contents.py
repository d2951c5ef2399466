"""What a repository holds, suite by suite."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sugar_deploy.repository.debs import Deb


@dataclass(frozen=True, slots=True)
class Contents:
    """For each suite its packages, sorted."""

    by_suite: Mapping[str, tuple[Deb, ...]]

    @property
    def suites(self) -> tuple[str, ...]:
        """Their names, sorted."""
        return tuple(sorted(self.by_suite))

    @property
    def debs(self) -> tuple[Deb, ...]:
        """Every package once, sorted."""
        return tuple(sorted({deb for debs in self.by_suite.values() for deb in debs}))

    @property
    def identities(self) -> frozenset[str]:
        """What the snapshot's id depends on."""
        return frozenset(f"{suite} {deb.identity}" for suite, debs in self.by_suite.items() for deb in debs)
