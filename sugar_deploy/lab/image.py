"""Root filesystems for the lab: made by mmdebstrap, cached by a hash of their inputs."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sugar_deploy.errors import DeployError
from sugar_deploy.lab.mirror import Mirror
from sugar_deploy.lab.places import cache_root
from sugar_deploy.lab.process import execute

SUITES = ("bookworm", "trixie")
MAXIMUM_AGE_DAYS = 14
"""Older images lack security updates that a newly installed server would have."""

# What a school's freshly installed server has; isc-dhcp-client is what laptops ask with.
PACKAGES = (
    "apt",
    "ca-certificates",
    "dbus",
    "iproute2",
    "isc-dhcp-client",
    "kmod",
    "openssh-server",
    "procps",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
    "udev",
)

# Identities are per machine; the network comes up by systemd-networkd, without holding up the boot.
_CUSTOMISE = """set -eu
root="$1"
rm -f "$root"/etc/ssh/ssh_host_* "$root"/etc/hostname "$root"/etc/resolv.conf
: > "$root"/etc/machine-id
mkdir -p "$root"/etc/systemd/network
systemctl --root="$root" --quiet enable systemd-networkd.service
systemctl --root="$root" --quiet disable systemd-networkd-wait-online.service
"""

# The builder and all that it starts end with us, however we end, and so do its mounts: nothing goes on writing into
# what the next build clears away.
_ENDS_WITH_US = (
    *("setpriv", "--pdeathsig", "KILL", "--"),
    *("unshare", "--pid", "--fork", "--kill-child=SIGKILL", "--mount", "--mount-proc", "--"),
)

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Recipe:
    """An image's inputs, all of them."""

    suite: str
    architecture: str
    sources: tuple[str, ...]
    packages: tuple[str, ...]
    kind: str = "plain"
    """Images of one suite and kind replace each other in the cache."""
    customise: str = _CUSTOMISE

    @property
    def family(self) -> str:
        """What this image and its predecessors are called."""
        return f"{self.suite}-{self.architecture}-{self.kind}"

    @property
    def key(self) -> str:
        """Names the image: the same inputs, the same name."""
        inputs = json.dumps([1, self.suite, self.architecture, self.sources, self.packages, self.customise])
        return f"{self.family}-{hashlib.sha256(inputs.encode()).hexdigest()[:16]}"

    def argv(self, root: Path, hook: Path) -> tuple[str, ...]:
        """The command that makes it."""
        return (
            "mmdebstrap",
            "--variant=minbase",
            "--mode=root",
            f"--architectures={self.architecture}",
            "--keyring=/usr/share/keyrings",
            f"--include={','.join(self.packages)}",
            f'--customize-hook=sh {hook} "$1"',
            self.suite,
            str(root),
            *self.sources,
        )


def recipe(suite: str, architecture: str, mirror: Mirror, kind: str = "plain", extra: tuple[str, ...] = ()) -> Recipe:
    """The image of a minimal server of SUITE, with EXTRA packages for its KIND."""
    if suite not in SUITES:
        raise DeployError(f"The lab has no {suite}", f"Choose one of: {', '.join(SUITES)}")
    return Recipe(suite, architecture, mirror.sources(suite), tuple(sorted({*PACKAGES, *extra})), kind)


@dataclass(frozen=True, slots=True)
class Image:
    """A root filesystem in the cache."""

    folder: Path

    @property
    def root(self) -> Path:
        """The filesystem: machines mount or copy it, nothing writes to it."""
        return self.folder / "root"

    @property
    def users(self) -> Path:
        """Share-locked by each lab that uses the image."""
        return self.folder / "users"

    def age_days(self, now: float) -> float:
        """Days since it was built."""
        built: float = json.loads((self.folder / "image.json").read_text(encoding="utf-8"))["built_at"]
        return (now - built) / 86400

    def hold(self) -> int:
        """A file descriptor: the image is not cleared away while it is open."""
        descriptor = os.open(self.users, os.O_RDONLY | os.O_CLOEXEC)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        return descriptor


def images_root() -> Path:
    """Where images are cached."""
    return cache_root() / "images"


def obtain(wanted: Recipe, say: Say = lambda _: None) -> tuple[Image, int]:
    """The image, built if need be, and a descriptor that holds it; two labs at once build it once."""
    folder = images_root()
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder / f"{wanted.family}.lock"):
        _sweep(wanted.family)
        image = _newest(wanted)
        if image is None or image.age_days(time.time()) > MAXIMUM_AGE_DAYS:
            image = _rebuild(wanted, image, say)
            hold = image.hold()
            _clear_others(wanted.family, image)
            return image, hold
        return image, image.hold()


def _newest(wanted: Recipe) -> Image | None:
    found = [Image(path.parent) for path in images_root().glob(f"{wanted.key}.*/image.json")]
    return max(found, key=lambda image: image.folder.name, default=None)


def _rebuild(wanted: Recipe, stale: Image | None, say: Say) -> Image:
    try:
        return _build(wanted, say)
    except DeployError as error:
        if stale is None:
            raise
        say(f"Using the image of {stale.age_days(time.time()):.0f} days ago, as a new one fails: {error}")
        return stale


def _build(wanted: Recipe, say: Say) -> Image:
    say(f"Building the {wanted.suite} image; it is kept for {MAXIMUM_AGE_DAYS} days")
    started = time.time()
    # A name of its own for each build: labs that run keep their image when it is renewed.
    final = images_root() / f"{wanted.key}.{time.time_ns():020d}"
    work = images_root() / f".{final.name}.{os.getpid()}"
    work.mkdir(mode=0o755)
    try:
        hook = work / "customise.sh"
        hook.write_text(wanted.customise, encoding="utf-8")
        log = images_root() / f"{wanted.family}.log"
        execute(
            (*_ENDS_WITH_US, *wanted.argv(work / "root", hook)),
            timeout_seconds=1800,
            log=log,
            remedy="Check the mirror in /etc/apt, or name another in SUGAR_DEPLOY_DEBIAN_MIRROR",
        )
        (work / "root").chmod(0o755)
        (work / "users").touch()
        (work / "image.json").write_text(
            json.dumps({"built_at": started, "sources": wanted.sources, "packages": wanted.packages}, indent=2),
            encoding="utf-8",
        )
        work.rename(final)
    finally:
        _remove(work)
    say(f"Built it in {time.time() - started:.0f} s")
    return Image(final)


def _clear_others(family: str, keep: Image) -> None:
    """Remove the family's images that no lab uses."""
    for folder in images_root().glob(f"{family}-*"):
        if folder != keep.folder:
            remove_unused(Image(folder))


def _sweep(family: str) -> None:
    """Remove what killed builds and removals left; only called while nobody else builds this family."""
    for folder in images_root().glob(f".{family}-*"):
        _remove(folder)


def _remove(folder: Path) -> None:
    """Remove a folder in which a process that was killed just now may write a last file."""
    until = time.monotonic() + 5
    while folder.exists() and time.monotonic() < until:
        shutil.rmtree(folder, ignore_errors=True)


def remove_unused(image: Image) -> bool:
    """Whether nobody used it and it is gone."""
    try:
        with image.users.open() as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Under another name first: half an image is never taken for a whole one.
            doomed = image.folder.with_name(f".{image.folder.name}.gone")
            image.folder.rename(doomed)
            shutil.rmtree(doomed)
    except (BlockingIOError, FileNotFoundError):
        return False
    return True


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    with file.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
