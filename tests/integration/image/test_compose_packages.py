"""A package that cannot be installed, by the real dpkg: its name is told, and a better one carries on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.image.compose.build import run
from sugar_deploy.image.compose.stage import Step, folder_input, make_step
from tests.integration.image.stages import Stages, kept

PROGRAMS = "sh cat chroot cp diff dpkg dpkg-deb dpkg-query dpkg-split ldconfig mkdir rm start-stop-daemon tar"
TREE = f"""
root=$1
for one in bin proc dev run tmp usr/sbin etc var/tmp var/lib/dpkg/info var/lib/dpkg/updates var/lib/dpkg/triggers; do
    mkdir -p "$root/$one"
done
: > "$root/var/lib/dpkg/status"
echo root:x:0:0::/:/bin/sh > "$root/etc/passwd"
# This machine's own programs, with the libraries that each of them loads.
for program in {PROGRAMS}; do
    cp "$(command -v $program)" "$root/bin/"
    for library in $(ldd "$(command -v $program)" | grep -o '/[^ ]*'); do
        mkdir -p "$root$(dirname "$library")"
        cp -L "$library" "$root$library"
    done
done
"""


CONTROL = """\
Package: songs
Version: 1
Architecture: all
Maintainer: Teresa <teresa@example.org>
Description: for a test
"""


def package(folder: Path, script: str) -> Path:
    """A package that sets itself up by a script."""
    shutil.rmtree(folder, ignore_errors=True)
    control = folder / "songs/DEBIAN"
    control.mkdir(parents=True)
    (control / "control").write_text(CONTROL)
    (control / "postinst").write_text(f"#!/bin/sh\n{script}\n")
    (control / "postinst").chmod(0o755)
    (folder / "debs").mkdir()
    build = ["dpkg-deb", "--build", folder / "songs", folder / "debs/songs.deb"]
    subprocess.run(build, check=True, capture_output=True)
    return folder / "debs"


def recipe(stages: Stages, debs: Path) -> tuple[Step, ...]:
    own = {"own": folder_input(debs)}
    return make_step("first", {"word": "x"}, folder=stages.folder), make_step("packages", {}, own)


def test_a_package_that_fails_to_install(stages: Stages, tmp_path: Path) -> None:
    stages.write("first", TREE)
    broken = package(tmp_path / "deb", "echo no room for songs >&2; exit 7")
    with pytest.raises(DeployError, match=r"(?s)stage packages failed.*no room for songs.*package songs") as failed:
        run(recipe(stages, broken), tmp_path / "cache", print)
    assert "Correct that and build again" in failed.value.remedy
    better = package(tmp_path / "deb", "echo la > /var/songs")
    tree, done = run(recipe(stages, better), tmp_path / "cache", print)
    assert kept(done) == [True, False]
    tar = ["tar", "-xOf", tree, "./var/songs", "./var/lib/dpkg/status"]
    said = subprocess.run(tar, capture_output=True, text=True, check=True).stdout
    assert said.startswith("Package: songs\nStatus: install ok installed\n")
    assert said.endswith("\nla\n")
