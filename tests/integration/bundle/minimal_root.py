"""A minimal Debian without any network, in which a stick is plugged in, and a small repository for it."""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from sugar_deploy.lab.image import obtain, recipe
from sugar_deploy.lab.mirror import read_mirror
from tests.unit.bundle_install.sticks import Key, gpg

STICK = "/media/my stick"

# A network namespace without any interface up: not even loopback answers.
_ENTER = """
set -eu
lower=$1 top=$2 stick=$3; shift 3
mount --make-rprivate /
mkdir -p "$top/upper" "$top/work" "$top/root"
mount -t overlay -o "lowerdir=$lower,upperdir=$top/upper,workdir=$top/work" overlay "$top/root"
mount -t proc proc "$top/root/proc"
mount -t sysfs -o ro sysfs "$top/root/sys"
mount --rbind /dev "$top/root/dev"
mount -t tmpfs tmpfs "$top/root/run"
if [ -n "$stick" ]; then
  mkdir -p "$top/root/media/my stick"
  mount --bind "$stick" "$top/root/media/my stick"
  mount -o remount,bind,ro "$top/root/media/my stick"
fi
# The clock is the whole machine's: what is tried here must not set it.
exec setpriv --bounding-set=-sys_time --inh-caps=-sys_time chroot "$top/root" "$@"
"""


@dataclass
class Machine:
    """What is written stays from one command to the next; the image below is never touched."""

    suite: str
    top: Path
    image: Path
    hold: int = field(repr=False)

    @property
    def upper(self) -> Path:
        """What was written."""
        return self.top / "upper"

    def run(
        self, *argv: str, stick: Path | None = None, network: bool = False, text: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """A command in it, with a stick that is mounted read-only."""
        cut = [] if network else ["--net"]
        enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", *cut, "sh", "-c", _ENTER, "sh"]
        inside = ["env", "-i", "PATH=/usr/bin:/bin", "HOME=/root", *argv]
        return subprocess.run(
            [*enter, str(self.image), str(self.top), str(stick or ""), *inside],
            capture_output=True,
            text=True,
            input=text or "",
            timeout=400,
        )

    def put(self, path: str, text: str, mode: int = 0o644) -> Path:
        """Write a file that is there from the next command on."""
        file = self.upper / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def close(self) -> None:
        os.close(self.hold)


# Shows a time that stands still until it is set: the real clock is the whole machine's.
_DATE = """#!/bin/sh
case "$*" in
  "-u -s @"*) echo "set to ${3#@}" >>/var/clock; exit ;;
  *" -d "*) exec /bin/date "$@" ;;
esac
now=$(sed -n 's/^set to //p' /var/clock | tail -n 1)
shift
exec /bin/date -u -d "@$now" "$@"
"""


@dataclass(frozen=True)
class Clock:
    """A clock of its own for a machine, as `date` and `hwclock` show it; remove() gives the real one back."""

    files: tuple[Path, ...]

    @classmethod
    def give(cls, machine: Machine, now: int) -> Clock:
        told = machine.put("var/clock", f"set to {now}\n")
        date = machine.put("usr/local/sbin/date", _DATE, 0o755)
        hardware = machine.put("usr/local/sbin/hwclock", '#!/bin/sh\necho "hwclock $*" >>/var/clock\n', 0o755)
        return cls((told, date, hardware))

    def told(self) -> list[str]:
        """What it was told since."""
        return self.files[0].read_text().splitlines()[1:]

    def remove(self) -> None:
        for file in self.files:
            file.unlink()


def machine(suite: str, top: Path) -> Machine:
    """A machine as Debian's installer leaves it, as far as matters here."""
    image, hold = obtain(recipe(suite, "amd64", read_mirror()))
    top.mkdir(parents=True)
    return Machine(suite, top, image.root, hold)


def fetch_venv(machine: Machine, debs: Path) -> None:
    """What python3-venv takes on such a machine, from Debian's mirror."""
    command = "cat >/etc/resolv.conf && apt-get -q update && apt-get -qy -d install python3-venv"
    done = machine.run("sh", "-c", command, network=True, text=Path("/etc/resolv.conf").read_text())
    assert done.returncode == 0, done.stderr
    debs.mkdir()
    for path in (machine.upper / "var/cache/apt/archives").glob("*.deb"):
        path.rename(debs / path.name)
    assert list(debs.glob("python3-venv_*.deb"))


def publish(debs: Path, suite: str, key: Key) -> dict[str, bytes]:
    """A signed repository of these packages: path → bytes."""
    pool = {f"pool/main/{path.name}": path.read_bytes() for path in sorted(debs.iterdir())}
    scanned = subprocess.run(["dpkg-scanpackages", "--multiversion", "."], cwd=debs, check=True, capture_output=True)
    packages = scanned.stdout.replace(b"Filename: ./", b"Filename: pool/main/")
    index = {"main/binary-amd64/Packages": packages, "main/binary-amd64/Packages.gz": gzip.compress(packages)}
    sums = "".join(f" {hashlib.sha256(data).hexdigest()} {len(data)} {path}\n" for path, data in index.items())
    release = (
        f"Origin: lima\nSuite: {suite}\nCodename: {suite}\nArchitectures: amd64\nComponents: main\n"
        f"Date: {time.strftime('%a, %d %b %Y %H:%M:%S UTC', time.gmtime(time.time() - 3600))}\nSHA256:\n{sums}"
    )
    signed = gpg(key.home, "--clearsign", "--local-user", key.fingerprint, data=release)
    tree = pool | {f"dists/{suite}/{path}": data for path, data in index.items()}
    return {
        f"repository/{path}": data for path, data in (tree | {f"dists/{suite}/InRelease": signed.encode()}).items()
    }
