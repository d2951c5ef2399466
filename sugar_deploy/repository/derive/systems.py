"""What an image's system takes of packages: asked for alike where they are derived and where it is composed."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sugar_deploy.deployment.types import FOR_IMAGES
from sugar_deploy.keys.gpg import clean_environment
from sugar_deploy.repository.debs import Deb
from sugar_deploy.repository.derive.seeds import SMALLEST, Wanted


@dataclass(frozen=True, slots=True)
class System:
    """A model's root file system, before dependencies."""

    model: str
    suite: str
    """Of Debian."""
    architecture: str
    names: tuple[str, ...]
    """Packages, Debian's and the deployment's own."""
    optional: tuple[str, ...] = ()
    """Those of the deployment's own that are taken if there are any."""

    @property
    def distribution(self) -> str:
        """Where the deployment's repository has them, apart from what servers take."""
        return distribution(self.suite)

    def own(self, offered: Collection[str], deb: Callable[[str], Deb]) -> tuple[Deb, ...]:
        """Of the deployment's own packages, which are OFFERED, those that it takes, and those that these need."""
        found: dict[str, Deb] = {}
        left = sorted({*self.names, *self.optional} & set(offered))
        while left:
            name = left.pop()
            found[name] = deb(name)
            left += sorted(_needed(found[name]) & set(offered) - found.keys() - set(left))
        return tuple(sorted(found.values()))

    def wanted(self, own: Sequence[Deb], base: Sequence[str] = (SMALLEST,)) -> Wanted:
        """All of it in one resolution, with its OWN packages; BASE is what every installation of Debian has."""
        names = sorted(set(self.names) - {deb.name for deb in own})
        return Wanted((*base, *names, *(f"{deb.name}={deb.version}" for deb in own)))


def distribution(suite: str) -> str:
    """The name of the repository's distribution from which images of a Debian release are composed."""
    return f"{suite}{FOR_IMAGES}"


def _needed(deb: Deb) -> set[str]:
    """Names in what it depends on, of all alternatives."""
    fields = subprocess.run(
        ["dpkg-deb", "--field", str(deb.path), "Depends", "Pre-Depends"],
        env=clean_environment(),
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    plain = re.sub(r"^[\w-]+:|\([^)]*\)|\[[^\]]*\]", "", fields, flags=re.MULTILINE)
    return {name.partition(":")[0] for name in re.split(r"[\s,|]+", plain) if name}
