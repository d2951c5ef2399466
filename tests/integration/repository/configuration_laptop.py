"""A plain Debian with Sugar in a folder of its own, and a deployment whose repository it can reach."""

from __future__ import annotations

import functools
import http.server
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.folder import Folder
from sugar_deploy.lab.mirror import read_mirror
from sugar_deploy.repository.publish import publish
from sugar_deploy.run.prepare import resolved

# What reads settings, what keeps them, and what a child and a certificate need.
BASE = (
    "libglib2.0-bin",
    "dconf-gsettings-backend",
    "dbus-daemon",
    "python3-gi",
    "python3-six",
    "passwd",
    "ca-certificates",
)
# The session with its schemas, the shell's own code, and what that builds upon.
SUGAR = ("sugar-session", "python3-jarabe", "python3-sugar3")
_TRIMMED = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*", "/usr/share/help/*")
# Ends with its children and its mounts; `alone` has a loopback of its own and no other network.
_ENTER = """
mount --rbind /dev "$0/dev" && mount -t proc proc "$0/proc" && ip link set lo up
exec chroot "$0" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
"""

_UNPACK = """
cd /tmp && apt-get -qq update && apt-get -qq download "$@"
for deb in *.deb; do dpkg-deb --extract "$deb" /; done
glib-compile-schemas /usr/share/glib-2.0/schemas
"""


@dataclass(frozen=True)
class Laptop:
    """The laptop's root filesystem."""

    root: Path
    suite: str

    def try_(self, *argv: str, alone: bool = False) -> subprocess.CompletedProcess[str]:
        network = ("--net",) if alone else ()
        enter = ("unshare", "--mount", "--pid", "--fork", "--kill-child", *network, "sh", "-c", _ENTER)
        return subprocess.run([*enter, str(self.root), *argv], capture_output=True, text=True, check=False)

    def run(self, *argv: str, alone: bool = False) -> str:
        result = self.try_(*argv, alone=alone)
        assert result.returncode == 0, f"{argv}\n{result.stdout}\n{result.stderr}"
        return result.stdout

    def apt(self, *arguments: str) -> str:
        """apt-get as somebody without any special wish, except for what Sugar recommends."""
        return self.run("apt-get", "-qq", "--no-install-recommends", *arguments)

    def install_file(self, deb: Path) -> str:
        """Install a package that somebody brought on a stick."""
        shutil.copy(deb, self.root / "root")
        said = self.apt("install", "--reinstall", f"/root/{deb.name}")
        (self.root / "root" / deb.name).unlink()
        return said

    def as_child(self, name: str, *argv: str, alone: bool = False) -> str:
        """Run a program in a child's session."""
        home = f"HOME=/home/{name}"
        return self.run("runuser", "-u", name, "--", "env", home, "dbus-run-session", "--", *argv, alone=alone)

    def setting(self, child: str, schema: str, key: str) -> str:
        """What Sugar reads, by its own means."""
        return self.as_child(child, "gsettings", "get", schema, key).strip()

    def sources(self) -> list[str]:
        """The repositories that apt uses, the addresses of their Release files."""
        named = [line.split("'")[1] for line in self.run("apt-get", "--print-uris", "update").splitlines()]
        return sorted(url for url in named if url.endswith("/InRelease"))

    def installed(self, pattern: str) -> set[str]:
        shown = self.try_("dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\\n", pattern).stdout
        return {line.split()[0] for line in shown.splitlines() if not line.endswith("not-installed")}

    def traces(self, name: str) -> list[str]:
        """Files that belong to the deployment, and the lists of machine-wide settings that name it."""
        shown = self.run(
            *("sh", "-c"),
            f"find /etc /usr /var/lib -name '*{name}*' -not -path '/var/lib/apt/lists/*';"
            f"grep -rls {name} /etc || true",
        )
        return sorted(shown.splitlines())


def make_laptop(root: Path, suite: str) -> Laptop:
    """Debian with Sugar, as its mirror has it today, and two children who use it.

    One suite has all of Sugar, properly installed. The other one has Sugar's files alone, which takes half the time.
    """
    whole = suite == "bookworm"
    packages = ",".join(BASE + SUGAR if whole else BASE)
    trimmed = [f"--dpkgopt=path-exclude={pattern}" for pattern in _TRIMMED]
    argv = ["mmdebstrap", "--quiet", "--variant=apt", "--mode=root", f"--include={packages}", *trimmed]
    argv += [
        "--aptopt=APT::Install-Recommends false",
        "--dpkgopt=force-unsafe-io",
        suite,
        str(root),
        *read_mirror().sources(suite),
    ]
    made = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    laptop = Laptop(root, suite)
    if not whole:
        laptop.run("sh", "-ec", _UNPACK, "sh", *SUGAR)
    for child in ("ana", "luis"):
        laptop.run("useradd", "--create-home", child)
    return laptop


@dataclass(frozen=True)
class Site:
    """A deployment's folder, and the web server that its repository is on."""

    folder: Folder
    url: str

    def publish(self, text: str) -> tuple[Path, ...]:
        """Publish what follows from a deployment file; the configuration packages."""
        self.folder.file.write_text(text.replace("URL", self.url), encoding="utf-8")
        plan = resolved(self.folder)
        publish(self.folder, plan)
        return tuple(sorted((self.folder.repository / "configuration").glob("*.deb")))


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_arguments: object) -> None:
        pass


@contextmanager
def site(root: Path) -> Iterator[Site]:
    """A deployment whose repository is on the web."""
    folder = Folder(root)
    root.mkdir()
    handler = functools.partial(_Quiet, directory=str(folder.published))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Site(folder, f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
