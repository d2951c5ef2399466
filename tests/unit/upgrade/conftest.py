"""A host whose apt and dpkg live in memory."""

from __future__ import annotations

import hashlib
import itertools
import subprocess

import pytest
from ansible_collections.sugar.deploy.plugins.module_utils.apt import Apt


class Host:
    """Answers commands as a host would; versions are compared by the real dpkg."""

    def __init__(self, installed=(), sources=None, held=(), unfinished=()):
        self.packages = dict(installed)
        self.sources = sources or {}
        self.held, self.left = held, list(unfinished)
        self.ran = []

    def run_command(self, argv, **_more):
        self.ran.append(list(argv))
        program = argv[0].rpartition("/")[2]
        if program == "dpkg" and argv[1] == "--compare-versions":
            return subprocess.run(argv, check=False).returncode, "", ""
        if program == "dpkg" and argv[1] == "--print-architecture":
            return 0, "amd64\n", ""
        answer = getattr(self, program.replace("-", "_"), lambda _words: "")
        return 0, answer(argv[1:]), ""

    def dpkg_query(self, words):
        if "db:Status-Eflag" in words[1]:
            return "".join(f"{name}\tunpacked\tok\n" for name in self.left)
        return "".join(f"{name}\tall\tinstall ok installed\t{version}\n" for name, version in self.packages.items())

    def dpkg(self, words):
        if words[0] == "--configure" and self.left:
            self.left.pop()
        return ""

    def apt_mark(self, words):
        return "\n".join(self.held if words[0] == "showhold" else self.packages)

    def apt_cache(self, words):
        names = words[2:]
        if words[0] == "madison":
            return "".join(
                f"{name} | {version} | mirror\n" for name in names for version in self.sources.get(name, ())
            )
        return "".join(f"{name}:\n  Installed: x\n  Candidate: {self._candidate(name)}\n" for name in names)

    def _candidate(self, name):
        best = self.packages.get(name, "(none)")
        for version in self.sources.get(name, ()):
            if subprocess.run(["dpkg", "--compare-versions", version, "gt", best], check=False).returncode == 0:
                best = version
        return best


@pytest.fixture
def host():
    """Makes a host and the Apt that looks at it."""

    def make(**more):
        one = Host(**more)
        return one, Apt(one.run_command)

    return make


class Repository:
    """Files of a repository, and the listing that names them."""

    def __init__(self, folder):
        self.folder = folder
        self.number = itertools.count()

    def holds(self, **files):
        """Write the files into a tree of their own; returns the tree and its listing."""
        tree = self.folder / f"tree{next(self.number)}"
        listing = []
        for name, text in files.items():
            path = tree / "pool" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            listing.append([f"pool/{name}", len(text), hashlib.sha256(text.encode()).hexdigest()])
        return tree, listing


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path)
