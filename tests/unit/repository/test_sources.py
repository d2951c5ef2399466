"""A source's identity and its clean copy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.repository.sources import copy_clean, find_sources, read_source

CHANGELOG = """\
chalk (1.2~rc1) unstable; urgency=medium

  * White.

 -- Sugar Labs <deploy@example.org>  Mon, 02 Nov 2026 10:00:00 +0000

chalk (1.1) unstable; urgency=medium

  * Grey.

 -- Sugar Labs <deploy@example.org>  Sun, 01 Nov 2026 10:00:00 +0000
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "packages" / "chalk"
    (folder / "debian").mkdir(parents=True)
    (folder / "debian/changelog").write_text(CHANGELOG)
    (folder / "debian/rules").write_text("#!/usr/bin/make -f\n")
    (folder / "debian/rules").chmod(0o755)
    (folder / "stick").write_text("white")
    (folder / "link").symlink_to("stick")
    return folder


def test_name_version_and_date_come_from_the_changelog(source: Path) -> None:
    (found,) = find_sources(source.parent)
    assert (found.name, found.version, found.epoch) == ("chalk", "1.2~rc1", 1793613600)
    assert found.path == source


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda folder: (folder / "stick").write_text("Whits"),
    "a new file": lambda folder: (folder / "new").touch(),
    "a name": lambda folder: (folder / "stick").rename(folder / "stock"),
    "executable": lambda folder: (folder / "stick").chmod(0o755),
    "a link's target": lambda folder: ((folder / "link").unlink(), (folder / "link").symlink_to("debian/rules")),
    "version": lambda folder: (folder / "debian/changelog").write_text(CHANGELOG.replace("1.2~rc1", "1.2")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_matters_changes_the_digest(source: Path, change: str) -> None:
    before = read_source(source).digest
    CHANGES[change](source)
    assert read_source(source).digest != before


def test_what_tools_leave_behind_does_not(source: Path) -> None:
    before = read_source(source).digest
    for folder in ("lib/__pycache__", ".pytest_cache", "debian/.debhelper", ".git"):
        (source / folder).mkdir(parents=True)
        (source / folder / "leftover.pyc").touch()
    for name in ("stick.pyc", "debian/files", "debian/chalk.substvars", "stick~", "debian/debhelper-build-stamp"):
        (source / name).touch()
    (source / "stick").chmod(0o600)
    (source / "lib").chmod(0o700)
    assert read_source(source).digest == before


def test_the_copy_is_clean_and_the_same_for_everybody(source: Path, tmp_path: Path) -> None:
    (source / "__pycache__").mkdir()
    (source / "stick").chmod(0o600)
    found = read_source(source)
    copy = tmp_path / "copy"
    copy_clean(found, copy)
    names = {str(path.relative_to(copy)): path.lstat() for path in copy.rglob("*")}
    assert set(names) == {"debian", "debian/changelog", "debian/rules", "stick", "link"}
    assert {int(status.st_mtime) for status in names.values()} == {found.epoch}
    assert names["stick"].st_mode & 0o777 == 0o644
    assert names["debian/rules"].st_mode & 0o777 == 0o755
    assert (copy / "link").readlink() == Path("stick")
    assert read_source(copy).digest == found.digest


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "changelog:1: this is not how"),
        ("chalk 1.0 unstable\n", "changelog:1: this is not how"),
        ("chalk (1.0) unstable; urgency=low\n\n  * White.\n", "lacks the line that ends it"),
        ("chalk (1.0) unstable; urgency=low\n\n -- A <a@b.c>  yesterday\n", "changelog:3: yesterday is no date"),
    ],
)
def test_a_faulty_changelog_is_shown(source: Path, content: str, message: str) -> None:
    (source / "debian/changelog").write_text(content)
    with pytest.raises(DeployError, match=message):
        find_sources(source.parent)


def test_two_sources_of_one_name_are_refused(source: Path) -> None:
    (source.parent / "crayon/debian").mkdir(parents=True)
    (source.parent / "crayon/debian/changelog").write_text(CHANGELOG)
    with pytest.raises(UsageError, match=r"both .*chalk and .*crayon are called chalk"):
        find_sources(source.parent)


def test_folders_without_debian_are_left_alone(source: Path) -> None:
    (source.parent / "notes").mkdir()
    (source.parent / "README").touch()
    assert [found.name for found in find_sources(source.parent)] == ["chalk"]
