# SPDX-License-Identifier: GPL-3.0-or-later
"""apt and dpkg: what is installed, what is offered, what an upgrade would change, and the doing of it."""

from __future__ import annotations

import glob
import os
import re

from ansible_collections.sugar.deploy.plugins.module_utils.offered import packages_in

INSTALLED = "install ok installed"
UNFINISHED = {"unpacked", "half-configured", "half-installed", "triggers-pending", "triggers-awaited"}
ENVIRONMENT = {"LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", "APT_LISTCHANGES_FRONTEND": "none"}
# Configuration files that somebody has changed are kept.
DPKG_KEEPS = ("--force-confdef", "--force-confold")
OPTIONS = ("-y", "--no-install-recommends", "-o", "Dpkg::Options::=--force-confdef",
           "-o", "Dpkg::Options::=--force-confold")  # fmt: skip
UPDATES = "/var/lib/dpkg/updates"
LISTS = "/var/lib/apt/lists"

_INSTALL = re.compile(r"Inst (?P<name>\S+) (?:\[(?P<old>[^\]]+)\] )?\((?P<new>\S+)")
_REMOVE = re.compile(r"(?:Remv|Purg) (?P<name>\S+) \[(?P<old>[^\]]+)\]")


class Apt:
    """The host's packages, as dpkg and apt see them; RUN is AnsibleModule.run_command."""

    def __init__(self, run, lock_seconds=600):
        self.run = run
        self.lock = ("-o", f"DPkg::Lock::Timeout={lock_seconds}")

    def installed(self):
        """Version by name and architecture of every package that is wholly installed."""
        rows = self._query("${Package}\t${Architecture}\t${Status}\t${Version}\n")
        return {(name, arch): version for name, arch, status, version in rows if status == INSTALLED}

    def marked_by_hand(self):
        """The packages that somebody has asked for, which are never removed as needless."""
        return self.run(["apt-mark", "showmanual"])[1].split()

    def unfinished(self):
        """The packages that dpkg has not finished with, by name."""
        rows = self._query("${binary:Package}\t${db:Status-Status}\t${db:Status-Eflag}\n")
        return sorted(name for name, status, flag in rows if status in UNFINISHED or flag == "reinstreq")

    def _query(self, form):
        output = self.run(["dpkg-query", "--show", f"--showformat={form}"])[1]
        fields = form.count("\t")
        return [line.split("\t") for line in output.splitlines() if line.count("\t") == fields]

    def interrupted(self):
        """Whether a pulled plug has left dpkg in the middle of something."""
        journal = os.path.isdir(UPDATES) and any(name.isdigit() for name in os.listdir(UPDATES))
        return journal or bool(self.unfinished())

    def finish(self):
        """Let dpkg finish what was interrupted; returns its complaint, or None."""
        self.configure()
        if not self.unfinished():
            return None
        # What was half unpacked has to be unpacked anew; what lacks a dependency gets it.
        self.run(["apt-get", "install", "--fix-broken", "-q", *self.lock, *OPTIONS])
        if broken := self.unfinished():
            self.run(["apt-get", "install", "--reinstall", "--allow-downgrades", "-q", *self.lock, *OPTIONS,
                      "--", *broken])  # fmt: skip
        status, output, error = self.configure()
        if left := self.unfinished():
            said = "\n".join((error.strip() or output.strip()).splitlines()[-15:])
            return f"dpkg cannot finish with {', '.join(left)} (status {status}): {said}"
        return None

    def configure(self):
        """dpkg --configure -a."""
        return self.run(["dpkg", "--configure", "-a", *DPKG_KEEPS])

    def newer(self, one, other):
        """Whether the version ONE is higher than the OTHER."""
        return self.run(["dpkg", "--compare-versions", one, "gt", other])[0] == 0

    def offered(self, source, *options):
        """The packages in apt's lists of one source file, for this machine's own architecture."""
        native = self.architecture()
        _status, output, _error = self.run(
            ["apt-get", "indextargets", "--format", "$(FILENAME)", *only(source), *options, "Created-By: Packages"]
        )
        found = []
        for path in output.split():
            found += packages_in(self.run(["/usr/lib/apt/apt-helper", "cat-file", path])[1])
        return [each for each in found if each.get("Architecture") in (native, "all")]

    def update(self, source, *options):
        """Read the lists of one source file; returns apt's complaint, or None."""
        status, output, error = self.run(
            ["apt-get", "update", "-q", *only(source), *options, *self.lock, "-o", "APT::Update::Error-Mode=any"]
        )
        return None if status == 0 else (error.strip() or output.strip() or "no answer")

    def forget_lists(self, source):
        """Remove the lists of one source file: apt silently keeps those that it has if the new ones are older."""
        output = self.run(["apt-get", "indextargets", "--format", "$(FILENAME)", *only(source)])[1]
        for beginning in {os.path.basename(path).split("_dists_")[0] for path in output.split() if "_dists_" in path}:
            for path in glob.glob(os.path.join(LISTS, glob.escape(f"{beginning}_dists_") + "*")):
                os.unlink(path)

    def architecture(self):
        """dpkg's name for this machine's architecture."""
        return self.run(["dpkg", "--print-architecture"])[1].strip()

    def candidates(self, names):
        """The version that apt would install, by name."""
        if not names:
            return {}
        found, name = {}, ""
        for line in self.run(["apt-cache", "policy", "--", *names])[1].splitlines():
            if not line.startswith(" "):
                name = line.rstrip(":").split(":")[0]
            elif line.strip().startswith("Candidate:"):
                found[name] = line.split(":", 1)[1].strip()
        return {name: version for name, version in found.items() if version != "(none)"}

    def available(self, name):
        """The versions of a package in any source, that is not only installed."""
        rows = self.run(["apt-cache", "madison", "--", name])[1].splitlines()
        return {row.split("|")[1].strip() for row in rows if row.count("|") >= 2}

    def simulate(self, words):
        """What apt-get would do, as (name, old, new), the missing version None; or its complaint, a text."""
        status, output, error = self.run(["apt-get", "--simulate", "-q", *OPTIONS, *words])
        if status != 0:
            return error.strip() or output.strip()
        return changes_in(output)

    def act(self, words):
        """Have apt-get do it; returns its complaint, or None."""
        status, output, error = self.run(["apt-get", "-q", *self.lock, *OPTIONS, *words])
        if status == 0:
            return None
        # dpkg says why in the one, apt what follows from it in the other.
        return "\n".join([*output.strip().splitlines()[-12:], error.strip()]).strip()


def changes_in(simulation):
    """The changes that a simulation of apt-get lists: name, old and new version."""
    changes = []
    for line in simulation.splitlines():
        if found := _INSTALL.match(line):
            changes.append((found["name"], found["old"], found["new"]))
        elif found := _REMOVE.match(line):
            changes.append((found["name"], found["old"], None))
    return changes


def only(source):
    """Options that have apt see this source file alone, and keep the lists of others."""
    return ("-o", f"Dir::Etc::SourceList={source}", "-o", "Dir::Etc::SourceParts=/dev/null",
            "-o", "APT::Get::List-Cleanup=0")  # fmt: skip
