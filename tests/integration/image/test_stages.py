"""Stages that need no Debian in the tree, each on a small one."""

from __future__ import annotations

import configparser
import shutil
import subprocess
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from sugar_deploy.image.compose.debian import choose
from sugar_deploy.image.compose.stage import read_schema, stages_folder
from sugar_deploy.lab.mirror import read_mirror
from sugar_deploy.repository.derive.archive import KEYRING


def stage(name: str, folder: Path, root: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "SOURCE_DATE_EPOCH": "1577836800"}
    argv = [stages_folder() / name / "run", root]
    return subprocess.run(argv, cwd=folder, env=environment, capture_output=True, text=True, check=False)


OVER_THIS_MACHINE = """set -eu
mount -t overlay -o "lowerdir=$2:/usr,upperdir=$3,workdir=$4" overlay "$1/usr"
exec "$5" "$1"
"""


@dataclass(frozen=True)
class System:
    """A tree with this machine's programs, and ADDED ones; what a stage writes below /usr is in WRITTEN."""

    folder: Path
    root: Path
    added: Path
    written: Path

    @classmethod
    def of(cls, folder: Path) -> System:
        made = cls(folder, *(folder / name for name in ("root", "added", "written")))
        for path in (made.root / "usr", made.root / "etc" / "default", made.root / "etc" / "plymouth"):
            path.mkdir(parents=True)
        for path in (made.added, made.written, folder / "work"):
            path.mkdir()
        for name in ("bin", "sbin", "lib", "lib64"):
            (made.root / name).symlink_to(f"usr/{name}")
        (made.root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
        groups = ("root", "audio", "video", "input", "plugdev", "netdev")
        (made.root / "etc" / "group").write_text("".join(f"{one}:x:{at}:\n" for at, one in enumerate(groups)))
        return made

    def stage(self, name: str) -> subprocess.CompletedProcess[str]:
        places = (self.root, self.added, self.written, self.folder / "work")
        argv = ["unshare", "--mount", "sh", "-c", OVER_THIS_MACHINE, "sh", *places, stages_folder() / name / "run"]
        return subprocess.run(argv, cwd=self.folder, capture_output=True, text=True, check=False)


def test_the_desktops_user_languages_and_time_zone(tmp_path: Path) -> None:
    system = System.of(tmp_path)
    (tmp_path / "options").mkdir()
    for name, text in (
        ("timezone", "America/Lima"),
        ("languages", "es_PE\nquz_PE"),
        ("release", "lima xo-1.5 bookworm 7"),
    ):
        (tmp_path / "options" / name).write_text(f"{text}\n")
    done = system.stage("desktop")
    assert done.returncode == 0, done.stderr
    etc = system.root / "etc"
    (user,) = (line for line in (etc / "passwd").read_text().splitlines() if line.startswith("olpc:"))
    assert user.endswith(":Sugar:/home/olpc:/bin/bash")
    assert (system.root / "home" / "olpc").is_dir()
    members = {line.split(":")[0] for line in (etc / "group").read_text().splitlines() if line.endswith(":olpc")}
    assert members == {"audio", "video", "input", "plugdev", "netdev"}
    seat = configparser.ConfigParser()
    seat.read(etc / "lightdm" / "lightdm.conf.d" / "50-sugar.conf")
    assert dict(seat["Seat:*"]) == {"autologin-user": "olpc", "autologin-session": "sugar", "user-session": "sugar"}
    assert (etc / "default" / "locale").read_text() == "LANG=es_PE.UTF-8\n"
    known = ["localedef", "--list-archive", system.written / "lib" / "locale" / "locale-archive"]
    assert subprocess.run(known, capture_output=True, text=True, check=True).stdout.split() == [
        "es_PE.utf8",
        "quz_PE.utf8",
    ]
    assert (etc / "localtime").readlink() == Path("/usr/share/zoneinfo/America/Lima")
    assert (etc / "timezone").read_text() == "America/Lima\n"
    assert (etc / "sugar-image").read_text() == "lima xo-1.5 bookworm 7\n"


def test_a_language_that_debian_does_not_have_is_told(tmp_path: Path) -> None:
    system = System.of(tmp_path)
    (tmp_path / "options").mkdir()
    for name, text in (("timezone", "America/Lima"), ("languages", "es_PE\nqu_PE"), ("release", "lima")):
        (tmp_path / "options" / name).write_text(f"{text}\n")
    done = system.stage("desktop")
    assert (done.returncode, "Debian has no language qu_PE" in done.stderr) == (1, True), done.stderr


def test_the_boot_animation_is_plymouths_theme(tmp_path: Path) -> None:
    """By the program of Debian's package that chooses it."""
    system = System.of(tmp_path)
    chosen = choose(read_mirror(), KEYRING, "bookworm", "amd64", ("plymouth",), (), lambda _: None)
    for deb in (chosen.files[one.sha256] for one in chosen.packages if one.name in {"plymouth", "libplymouth5"}):
        subprocess.run(["dpkg-deb", "--extract", deb, tmp_path / "plymouth"], check=True)
    (tmp_path / "plymouth" / "usr").rename(tmp_path / "usr")
    shutil.rmtree(system.added)
    (tmp_path / "usr").rename(system.added)
    theme = tmp_path / "inputs" / "animation"
    theme.mkdir(parents=True)
    assert "a theme of Plymouth" in system.stage("animation").stderr
    (theme / "ours.plymouth").write_text("[Plymouth Theme]\nName=Ours\nModuleName=details\n")
    (theme / "frame.png").write_bytes(b"a picture")
    (theme / "frame.png").chmod(0o600)
    done = system.stage("animation")
    assert done.returncode == 0, done.stdout + done.stderr
    installed = system.written / "share" / "plymouth" / "themes" / "ours"
    assert {path.name: path.stat().st_mode & 0o777 for path in installed.iterdir()} == {
        "ours.plymouth": 0o644,
        "frame.png": 0o644,
    }
    assert "Theme=ours" in (system.root / "etc" / "plymouth" / "plymouthd.conf").read_text()


def test_each_has_a_program_and_a_schema() -> None:
    names = sorted(path.name for path in stages_folder().iterdir() if path.is_dir())
    assert "base" in names
    for name in names:
        assert read_schema(stages_folder() / name).description
        assert (stages_folder() / name / "run").stat().st_mode & 0o111


def test_files_are_laid_over_and_links_to_folders_stay(tmp_path: Path) -> None:
    root, files = tmp_path / "root", tmp_path / "inputs/files"
    (root / "usr/bin").mkdir(parents=True)
    (root / "bin").symlink_to("usr/bin")
    (files / "bin").mkdir(parents=True)
    (files / "bin/mine").write_text("x")
    assert stage("files", tmp_path, root).returncode == 0
    assert (root / "bin").is_symlink()
    assert (root / "usr/bin/mine").read_text() == "x"


def test_identity_is_taken_out(tmp_path: Path) -> None:
    root = tmp_path / "root"
    secrets = ("etc/ssh/ssh_host_ed25519_key", "home/olpc/.sugar/default/owner.key", "var/lib/systemd/random-seed")
    for name in (*secrets, "etc/machine-id", "etc/ssh/sshd_config", "boot/vmlinuz-6.1.0-9", "boot/vmlinuz-6.1.0-10"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("secret")
    certificates = root / "etc/ssl/certs"
    certificates.mkdir(parents=True)
    (certificates / "ssl-cert-snakeoil.pem").write_text("one of its own for each image")
    (certificates / "0123abcd.0").symlink_to("ssl-cert-snakeoil.pem")
    (root / "var/log").mkdir()
    done = stage("finish", tmp_path, root)
    assert done.returncode == 0, done.stderr
    assert not [name for name in secrets if (root / name).exists()]
    assert not list(certificates.iterdir())
    assert (root / "etc/machine-id").read_text() == ""
    assert (root / "etc/ssh/sshd_config").read_text() == "secret"
    assert str((root / "boot/vmlinuz").readlink()) == "vmlinuz-6.1.0-10"


def test_partitions_are_mounted_where_the_model_has_them(tmp_path: Path) -> None:
    (tmp_path / "options").mkdir()
    lines = "LABEL=Root / ext4 errors=remount-ro 0 1\nLABEL=Boot /bootpart ext2 nofail 0 2\n"
    (tmp_path / "options/partitions").write_text(lines)
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    assert stage("mounts", tmp_path, root).returncode == 0
    read = [
        "findmnt",
        "--tab-file",
        str(root / "etc/fstab"),
        "--noheadings",
        "--list",
        "--output",
        "SOURCE,TARGET,FSTYPE",
    ]
    found = subprocess.run(read, capture_output=True, text=True, check=True).stdout
    assert [line.split() for line in found.splitlines()] == [
        ["LABEL=Root", "/", "ext4"],
        ["LABEL=Boot", "/bootpart", "ext2"],
    ]
    assert (root / "bootpart").is_dir()


LONG_NOPS = {
    # By length, as the processors' manuals list them, and with the prefixes that compilers add.
    3: "0f 1f 00",
    4: "0f 1f 40 00",
    5: "0f 1f 44 00 00",
    6: "66 0f 1f 44 00 00",
    7: "0f 1f 80 00 00 00 00",
    8: "0f 1f 84 00 00 00 00 00",
    9: "66 0f 1f 84 00 00 00 00 00",
    10: "66 2e 0f 1f 84 00 00 00 00 00",
    11: "66 66 2e 0f 1f 84 00 00 00 00 00",
    15: "66 66 66 66 66 66 2e 0f 1f 84 00 00 00 00 00",
}


def test_a_program_does_the_same_without_long_nops(tmp_path: Path) -> None:
    """Its status hangs on registers and flags, which no NOP may change; numbers that look like one stay."""
    nops = "".join(f".byte {', '.join(f'0x{two}' for two in one.split())}\n" for one in LONG_NOPS.values())
    (tmp_path / "program.s").write_text(f""".globl _start
_start: mov $0x1f0f, %ebx
mov $0x5a, %esi
cmp %esi, %esi
{nops}jne wrong
lea 3(%esi), %ebx
wrong: mov $1, %eax
int $0x80
.data
looks: .byte 0x0f, 0x1f, 0x40, 0x00
""")
    root, program = tmp_path / "root", tmp_path / "root/usr/bin/program"
    (root / "var/lib/dpkg/info").mkdir(parents=True)
    (root / "var/lib/dpkg/info/drawing:i386.list").write_text("/.\n/usr\n/usr/bin/program\n/usr/bin/other\n")
    program.parent.mkdir(parents=True)
    subprocess.run(["as", "--32", "-o", tmp_path / "program.o", tmp_path / "program.s"], check=True)
    subprocess.run(["ld", "-m", "elf_i386", "-o", program, tmp_path / "program.o"], check=True)
    before = program.read_bytes()
    assert subprocess.run([program], check=False).returncode == 0x5D
    (tmp_path / "options").mkdir()
    (tmp_path / "options/packages").write_text("drawing\n")
    done = stage("nops", tmp_path, root)
    assert (done.returncode, done.stdout) == (0, f"/usr/bin/program: {len(LONG_NOPS)} long NOPs rewritten\n")
    after = program.read_bytes()
    assert subprocess.run([program], check=False).returncode == 0x5D
    listed = subprocess.run(["objdump", "--disassemble", program], capture_output=True, text=True, check=True).stdout
    assert "0f 1f 84" not in listed
    first = before.index(bytes.fromhex("39 f6") + bytes.fromhex(LONG_NOPS[3])) + 2
    changed = [place for place in range(len(before)) if before[place] != after[place]]
    assert (len(after), changed[0] >= first, changed[-1] < first + sum(LONG_NOPS)) == (len(before), True, True)
    assert (
        "Package: drawing\nPin: release *\nPin-Priority: -1\n"
        in (root / "etc/apt/preferences.d/long-nops").read_text()
    )


def test_a_package_that_is_not_there_has_no_long_nops_to_rewrite(tmp_path: Path) -> None:
    (tmp_path / "options").mkdir()
    (tmp_path / "options/packages").write_text("drawing\n")
    done = stage("nops", tmp_path, tmp_path / "root")
    assert (done.returncode, done.stderr) == (1, "drawing is not installed\n")


def test_a_laptops_ramdisk_has_its_own_drivers(tmp_path: Path) -> None:
    (tmp_path / "options").mkdir()
    (tmp_path / "options/modules").write_text("ehci-pci\nusbhid\n")
    root = tmp_path / "root"
    root.mkdir()
    assert stage("ramdisk", tmp_path, root).returncode == 0
    assert (root / "etc/initramfs-tools/conf.d/laptop").read_text() == "MODULES=list\n"
    hook = root / "etc/initramfs-tools/hooks/laptop"
    assert subprocess.run([hook, "prereqs"], capture_output=True, text=True, check=True).stdout == ""
    # As mkinitramfs has them.
    told = hook.read_text().replace("/usr/share/initramfs-tools/hook-functions", str(tmp_path / "functions"))
    (tmp_path / "functions").write_text('manual_add_modules() { echo "$*"; }\n')
    done = subprocess.run(["sh", "-eu", "-c", told, "hook", ""], capture_output=True, text=True, check=True)
    assert done.stdout == "ehci-pci usbhid\n"


@pytest.mark.parametrize(("top", "right"), [("My.activity", True), ("etc", False)])
def test_an_activity_is_a_bundle_of_one_folder(tmp_path: Path, top: str, right: bool) -> None:
    (tmp_path / "inputs/activities").mkdir(parents=True)
    with zipfile.ZipFile(tmp_path / "inputs/activities/my.xo", "w") as bundle:
        bundle.writestr(f"{top}/activity/activity.info", "[Activity]\n")
    (tmp_path / "root").mkdir()
    assert (stage("activities", tmp_path, tmp_path / "root").returncode == 0) is right
    installed = tmp_path / "root/usr/share/sugar/activities" / top / "activity/activity.info"
    assert installed.exists() is right


def test_hooks_run_in_order_with_the_tree_and_may_refuse(tmp_path: Path) -> None:
    (tmp_path / "inputs/hooks").mkdir(parents=True)
    (tmp_path / "root").mkdir()
    for name, script in (("1-a", "echo a > $1/x"), ("2-b", "echo b >> $1/x"), ("3-c", "exit 4")):
        (tmp_path / "inputs/hooks" / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / "inputs/hooks" / name).chmod(0o755)
    assert stage("hooks", tmp_path, tmp_path / "root").returncode == 4
    assert (tmp_path / "root/x").read_text() == "a\nb\n"


def test_a_server_whose_packages_are_not_there_is_refused_by_their_names(tmp_path: Path) -> None:
    system = System.of(tmp_path)
    (tmp_path / "options").mkdir()
    (tmp_path / "options/packages").write_text("dash\nprosody-of-mars\nchrony-of-mars\n")
    shutil.copytree("/var/lib/dpkg", system.root / "var/lib/dpkg")
    (system.root / "dev").mkdir()
    (system.root / "dev/null").touch()
    done = system.stage("server")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("lacks packages that its server needs: prosody-of-mars chrony-of-mars")
