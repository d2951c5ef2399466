"""apt with a state of its own: this machine's installed packages, sources and lists are neither asked nor changed."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.files import write_atomically
from sugar_deploy.keys.gpg import clean_environment

HELPER = "/usr/lib/apt/apt-helper"
# How this machine reaches the net; nothing else of its settings, least of all what it does not check.
_NETWORK = re.compile(r"Acquire::(?:https?|ForceIPv[46]|Retries|Queue-Mode)\b")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


@dataclass(frozen=True, slots=True)
class Apt:
    """apt's programs with one configuration file; they keep the descriptor `held` open while they run."""

    configuration: Path
    held: int

    @property
    def environment(self) -> dict[str, str]:
        """English messages, the configuration, and the way to the net."""
        proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
        return clean_environment() | proxies | {"APT_CONFIG": str(self.configuration)}

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        """Run a program of apt to its end."""
        return subprocess.run(
            argv,
            env=self.environment,
            pass_fds=(self.held,),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )


def make_apt(area: Path, name: str, sources: Sequence[str], architectures: Sequence[str], held: int) -> Apt:
    """An apt in the folder AREA/NAME that knows SOURCES; all of an area share their lists."""
    home = area / name
    for folder in (
        home / "etc" / "none",
        home / "cache" / "archives" / "partial",
        home / "log",
        area / "lists" / "partial",
    ):
        folder.mkdir(parents=True, exist_ok=True)
    (area / "status").touch()
    write_atomically(home / "sources.list", "".join(f"{line}\n" for line in sources))
    write_atomically(home / "apt.conf", configuration(area, home, architectures) + network_settings())
    return Apt(home / "apt.conf", held)


def configuration(area: Path, home: Path, architectures: Sequence[str]) -> str:
    """apt.conf: no dpkg status, no recommended packages, no settings of this machine."""
    listed = " ".join(f'"{architecture}";' for architecture in architectures)
    return f"""\
Dir::Etc "{home}/etc/";
Dir::Etc::SourceList "{home}/sources.list";
Dir::Etc::SourceParts "{home}/etc/none";
Dir::Etc::Main "{home}/etc/no.conf";
Dir::Etc::Parts "{home}/etc/none";
Dir::Etc::Netrc "/etc/apt/auth.conf";
Dir::Etc::NetrcParts "/etc/apt/auth.conf.d";
Dir::State "{home}/";
Dir::State::Lists "{area}/lists/";
Dir::State::Status "{area}/status";
Dir::Cache "{home}/cache/";
Dir::Cache::srcpkgcache "";
Dir::Log "{home}/log/";
APT::Architecture "{architectures[0]}";
APT::Architectures {{ {listed} }};
APT::Install-Recommends "false";
APT::Sandbox::User "root";
APT::Update::Error-Mode "any";
Acquire::Languages "none";
"""


def network_settings() -> str:
    """This machine's proxies and certificates for apt."""
    dumped = subprocess.run(
        ["apt-config", "dump"],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    ).stdout
    return "".join(f"{line}\n" for line in dumped.splitlines() if _NETWORK.match(line))
