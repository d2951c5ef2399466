"""The frozen releases that upgrades are tested from."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sugar_deploy.lab.newer import raise_version
from sugar_deploy.repository.sources import find_sources
from tests.fixtures.releases import freeze, sources

MOST_BYTES = 300_000


def checkout(folder: Path, who: str, umask: int) -> Path:
    """A checkout with a small package, made by somebody somewhere."""
    package = folder / "packages" / "bell"
    (package / "debian").mkdir(parents=True)
    (package / "debian" / "changelog").write_text(
        "bell (0.9) unstable; urgency=medium\n\n  * Rings.\n\n -- A <a@b.invalid>  Sat, 21 Nov 2026 00:00:00 +0000\n"
    )
    (package / "ring").write_text("#!/bin/sh\n")
    (package / "ring").chmod(0o755 & ~umask)
    (package / "link").symlink_to("ring")
    git = ["git", "-C", str(folder), "-c", f"user.name={who}", "-c", f"user.email={who}@example.invalid"]
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "packages"], check=True)
    date = {"GIT_COMMITTER_DATE": f"2026-0{len(who)}-01T00:00:00Z"}
    subprocess.run([*git, "commit", "-q", "-m", who], check=True, env=dict(os.environ, **date))
    return folder


def test_a_release_does_not_depend_on_who_froze_it_and_when(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = freeze.freeze(checkout(tmp_path / "one", "ana", 0o022), "HEAD")
    assert one == freeze.freeze(checkout(tmp_path / "other", "evelyn", 0o077), "HEAD")
    (tmp_path / "0.9.tar.xz").write_bytes(one)
    monkeypatch.setattr(sources, "FOLDER", tmp_path)
    (bell,) = find_sources(sources.released("0.9", tmp_path))
    assert (bell.name, bell.version) == ("bell", "0.9")
    assert os.access(bell.path / "ring", os.X_OK)
    assert (bell.path / "link").readlink() == Path("ring")


def test_a_release_that_schools_have_is_never_frozen_anew() -> None:
    with pytest.raises(SystemExit, match="frozen already"):
        freeze.main(sources.releases()[0])


def test_the_newest_release_is_the_highest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("0.10.0", "0.9.0", "1.0~rc1"):
        (tmp_path / f"{name}.tar.xz").touch()
    monkeypatch.setattr(sources, "FOLDER", tmp_path)
    assert sources.releases() == ["0.9.0", "0.10.0", "1.0~rc1"]


def test_every_release_is_small_and_whole(tmp_path: Path) -> None:
    assert sources.releases()[0] == "0.1.0"
    for release in sources.releases():
        assert (freeze.FOLDER / f"{release}.tar.xz").stat().st_size < MOST_BYTES
        names = {source.name for source in find_sources(sources.released(release, tmp_path))}
        assert names >= {"prosody-sugar", "sugar-server", "sugar-server-base", "sugaroid"}


def test_the_present_packages_are_above_the_released_ones_whatever_their_changelogs_say(tmp_path: Path) -> None:
    former = sources.released(sources.releases()[-1], tmp_path)
    # As after a version was raised, and as where it is what it was.
    raise_version(former / "sugaroid", "999")
    now = sources.present(former, tmp_path)
    for package in ("prosody-sugar", "sugar-server", "sugar-server-base", "sugaroid"):
        assert sources.is_higher(sources.version(now, package), sources.version(former, package))
    assert sources.version(now, "sugaroid") == "999+1"
