"""The stage that installs Debian, held against mmdebstrap: the same packages, the same files. Needs root."""

from __future__ import annotations

import hashlib
import tarfile
from pathlib import Path

import pytest

from sugar_deploy.image.compose.build import run
from sugar_deploy.image.compose.debian import Chosen, choose
from sugar_deploy.image.compose.stage import INSIDE, make_step, stages_folder
from sugar_deploy.repository.derive.archive import KEYRING
from sugar_deploy.repository.derive.mirror import Mirror, read_mirror

SUITE = "bookworm"
PLAIN = f"""#!/bin/sh
set -eu
umount "$1/proc" "$1"/dev/*
rm -r "$1"
mmdebstrap --mode=root --variant=apt --format=directory --quiet --architectures="$(cat options/architecture)" \\
    --aptopt='APT::Sandbox::User "root"' \\
    --include="$(sed -n 's/^Package: //p' inputs/debian/Packages | paste -sd,)" \\
    {SUITE} "$1" "deb [trusted=yes] copy:$PWD/inputs/debian ./"
rm "$1/etc/apt/apt.conf.d/99mmdebstrap"
: > "$1/etc/apt/sources.list"
# For who called.
mount -t proc proc "$1/proc"
for device in null zero full random urandom; do
    : > "$1/dev/$device"
    mount --bind "/dev/$device" "$1/dev/$device"
done
"""
TRACES = ("./etc/hostname", "./var/log/", "./var/cache/", "./var/lib/apt/", "./var/lib/dpkg/", "./etc/resolv.conf")
"""What an image's last stage takes out, or what only says that a program was running."""
KEPT = ("./var/lib/dpkg/status", "./var/lib/dpkg/info/")
"""What counts of dpkg's database: the packages and their scripts and lists of files."""


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A folder of stages, in which mmdebstrap installs Debian."""
    folder = tmp_path / "stages"
    (folder / "base").mkdir(parents=True)
    (folder / INSIDE).symlink_to(stages_folder() / INSIDE)
    (folder / "base/stage.yml").symlink_to(stages_folder() / "base/stage.yml")
    (folder / "base/run").write_text(PLAIN)
    (folder / "base/run").chmod(0o755)
    return folder


def test_the_same_system_as_mmdebstrap_makes(plain: Path, tmp_path: Path) -> None:
    architecture = "i386"  # another one to this machine's dpkg, which needs no emulation
    mirror = Mirror(read_mirror().main, None)
    debian = choose(mirror, KEYRING, SUITE, architecture, (), (), lambda _: None)
    ours = installed(debian, architecture, stages_folder(), tmp_path / "ours")
    theirs = installed(debian, architecture, plain, tmp_path / "theirs")
    assert ours == theirs


def installed(debian: Chosen, architecture: str, stages: Path, cache: Path) -> dict[str, object]:
    """All that is in the tree, by its name: kind, mode, owner, and a link's target or a file's hash."""
    step = make_step("base", {"architecture": architecture}, {"debian": debian.as_input()}, folder=stages)
    tree, _ = run([step], cache, lambda _: None)
    found: dict[str, object] = {}
    with tarfile.open(tree) as tar:
        for one in tar:
            # usrmerge, which has nothing to do in our trees, makes copies of hard links.
            file = tar.extractfile(one) if one.isreg() or one.islnk() else None
            if one.name.startswith(TRACES) and (not one.name.startswith(KEPT) or one.name.endswith("-old")):
                continue
            what = hashlib.sha256(sorted_by_content(one.name, file.read())).hexdigest() if file else one.linkname
            found[one.name] = (b"" if file else one.type, oct(one.mode), one.uid, one.gid, what)
    return found


def sorted_by_content(name: str, content: bytes) -> bytes:
    """A file's content, but for the order of what was added to it as packages were installed, which is free."""
    between = {"./var/lib/dpkg/status": b"\n\n", "./etc/shells": b"\n"}.get(name)
    return between.join(sorted(content.split(between))) if between else content
