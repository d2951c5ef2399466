"""The deployer's settings as a tar that is laid over a system, held against what GNU tar makes of both."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.image.compose.settings import require_usable, write
from sugar_deploy.image.compose.stage import Input, folder_input
from sugar_deploy.image.survey.listing import listed

EPOCH = 1_700_000_000


@pytest.fixture
def system(tmp_path: Path) -> Path:
    """The tar of a system with links to folders."""
    root = tmp_path / "root"
    for folder in ("usr/bin", "usr/share/themes", "etc/alternatives", "srv"):
        (root / folder).mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    (root / "opt").symlink_to("/srv")
    (root / "etc/alternatives/themes").symlink_to("../../usr/share/themes")
    (root / "etc/round").symlink_to("round")
    (root / "etc/motd").write_text("Debian's\n")
    (root / "etc/issue").symlink_to("motd")
    (root / "srv").chmod(0o750)
    subprocess.run(["tar", "-C", root, "--sort=name", "-cf", tmp_path / "root.tar", "."], check=True)
    return tmp_path / "root.tar"


def lay(system: Path, files: Path) -> Path:
    """Both unpacked, one over the other."""
    write(folder_input(files), system.with_name("settings.tar"), listed(system), EPOCH)
    unpacked = system.with_name("unpacked")
    unpacked.mkdir()
    for tar in (system, system.with_name("settings.tar")):
        subprocess.run(["tar", "-C", unpacked, "-xpf", tar], check=True)
    return unpacked


def given(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"{name}\n")
    return folder


def test_links_to_folders_stay_and_what_is_behind_them_gets_the_files(system: Path, tmp_path: Path) -> None:
    names = ("bin/mine", "opt/deep/mine", "etc/alternatives/themes/mine", "etc/motd", "etc/issue", "etc/new/one/mine")
    found = lay(system, given(tmp_path / "files", *names))
    assert [path.is_symlink() for path in (found / "bin", found / "opt", found / "etc/alternatives/themes")] == [
        True
    ] * 3
    laid = ("usr/bin/mine", "srv/deep/mine", "usr/share/themes/mine", "etc/motd", "etc/issue", "etc/new/one/mine")
    assert [(found / name).read_text() for name in laid] == [f"{name}\n" for name in names]
    assert not (found / "etc/issue").is_symlink()


def test_all_is_roots_and_readable_and_folders_that_are_there_keep_their_rights(system: Path, tmp_path: Path) -> None:
    files = given(tmp_path / "files", "srv/secret", "srv/program", "srv/new/loose")
    for name, mode in (("secret", 0o400), ("program", 0o710), ("new/loose", 0o666)):
        (files / "srv" / name).chmod(mode)
    (files / "srv/link").symlink_to("secret")
    os.utime(files / "srv/secret", (1, 1))
    os.link(files / "srv/program", files / "srv/same")
    lay(system, files)
    with tarfile.open(tmp_path / "settings.tar") as tar:
        found = {one.name: one for one in tar}
    assert {name: one.mode for name, one in found.items() if not one.issym()} == {
        "./srv/secret": 0o644,
        "./srv/program": 0o755,
        "./srv/same": 0o755,
        "./srv/new": 0o755,
        "./srv/new/loose": 0o644,
    }
    assert found["./srv/link"].linkname == "secret"
    # Two names of one file are two files, as changes of one must not reach the other.
    assert found["./srv/same"].isreg()
    assert {(one.uid, one.gid, one.uname, one.gname, one.mtime) for one in found.values()} == {(0, 0, "", "", EPOCH)}


def test_the_same_settings_give_the_same_bytes(system: Path, tmp_path: Path) -> None:
    for name in ("one", "other"):
        files = given(tmp_path / name, *sorted(("etc/motd", "srv/b", "srv/a"), reverse=name == "one"))
        write(folder_input(files), tmp_path / f"{name}.tar", listed(system), EPOCH)
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "other.tar").read_bytes()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("srv", "overrides/image/files/srv: /srv is a folder in the system"),
        ("etc/motd/mine", "overrides/image/files/etc/motd/mine: /etc/motd is no folder in the system"),
        ("etc/round/mine", "overrides/image/files/etc/round/mine: /etc/round is no folder in the system"),
        ("opt/new", None),
    ],
)
def test_a_file_where_the_system_has_a_folder(system: Path, tmp_path: Path, name: str, told: str | None) -> None:
    files = folder_input(given(tmp_path / "files", name))
    if told is None:
        write(files, tmp_path / "settings.tar", listed(system), EPOCH)
        return
    with pytest.raises(UsageError) as refused:
        write(files, tmp_path / "settings.tar", listed(system), EPOCH)
    assert refused.value.message == told


@pytest.mark.parametrize("name", ["etc/ssh/ssh_host_ed25519_key", "etc/issue\nmine"])
def test_what_no_image_may_have(tmp_path: Path, name: str) -> None:
    require_usable(Input({"etc/ssh/sshd_config.d/ours.conf": tmp_path}, ""))
    with pytest.raises(UsageError, match="overrides/image/files/"):
        require_usable(Input({name: tmp_path}, ""))
