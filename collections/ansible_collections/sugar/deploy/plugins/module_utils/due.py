# SPDX-License-Identifier: GPL-3.0-or-later
"""Which installed packages differ from what the deployment's repository holds, and in which direction they go."""

from __future__ import annotations


def highest(offered, apt):
    """The highest version by name, of pairs of name and version."""
    found = {}
    for name, version in offered:
        if name not in found or apt.newer(version, found[name]):
            found[name] = version
    return found


class Due:
    """The versions that installed packages shall come to."""

    def __init__(self, apt, offered, installed, brought):
        """OFFERED and BROUGHT are versions by name; INSTALLED by name and architecture."""
        self.apt = apt
        self.brought = brought
        own = {apt.architecture(), "all"}
        have = {name: version for (name, arch), version in installed.items() if arch in own}
        held = set(apt.run(["apt-mark", "showhold"])[1].split())
        self.differing = {
            name: (have[name], version)
            for name, version in sorted(offered.items())
            if name in have and have[name] != version and name not in held
        }
        self.higher = {name for name, (old, new) in self.differing.items() if apt.newer(new, old)}

    def upgrades(self):
        """Changes to a higher version, but for those to which another source offers one that is higher still."""
        candidates = self.apt.candidates(sorted(self.higher))
        return [
            (name, *self.differing[name])
            for name in sorted(self.higher)
            if not self.apt.newer(candidates.get(name, self.differing[name][1]), self.differing[name][1])
        ]

    def downgrades(self):
        """Changes back, as after a former snapshot was published again.

        Only from a version that this repository brought here itself and that no source offers any more.
        """
        return [
            (name, old, new)
            for name, (old, new) in sorted(self.differing.items())
            if name not in self.higher and self.brought.get(name) == old and old not in self.apt.available(name)
        ]
