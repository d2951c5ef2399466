"""Images for an XO-1's NAND: flashed as its firmware does it, and mounted by Debian's kernel on a simulated chip."""

from __future__ import annotations

import json
import posixpath
import random
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from sugar_deploy.cli.image import image
from sugar_deploy.errors import DeployError
from sugar_deploy.image.models import XO_BOOT, Model, NandFilesystem, read_model
from sugar_deploy.image.outputs import manifest
from sugar_deploy.image.outputs.make import make
from sugar_deploy.resources import resource
from tests.integration.image.flash_machine import machine
from tests.integration.image.system import CAPABILITY, X86, compose, lay_settings
from tests.integration.image.test_disks import KEYS, SIGNER
from tests.unit.image.bundle_reader import member, takes
from tests.unit.image.nand_laptop import Laptop

# Several erase blocks, some of it that cannot be compressed, and a folder that the disk sorts in its own way.
CONTENT = {
    "./etc/words": b"".join(b"word %d\n" % number for number in range(80_000)),
    "./etc/noise": b"".join(pow(3, number, 2**61 - 1).to_bytes(8, "big") for number in range(60_000)),
    **{f"./home/note-{number}": b"%d" % number for number in range(60)},
}
DPKG = {
    "./var/lib/dpkg/info/words.list": b"/.\n/etc/words\n",
    "./var/lib/dpkg/info/noise:i386.list": b"/.\n/etc\n/etc/noise\n",
}


AT_FIRST_START = "comes at the first start: mkfs.ubifs takes none"
ATTRIBUTES = ("/etc/sugar-xo-boot", "/etc/sugar-xo-boot/attributes")


def made(folder: Path, filesystem: NandFilesystem, *, signed: bool = True, name: str = "out") -> Path:
    return make(
        folder / "composed",
        read_model("xo-1"),
        folder / name,
        filesystem=filesystem,
        signer=SIGNER if signed else None,
    )


def smaller(name: str, **sizes: int) -> Model:
    """A model whose NAND has nothing to spare, and so many erase blocks."""
    model = read_model(name)
    return model.model_copy(update={"nand": model.nand.model_copy(update={"spare_blocks": 1, **sizes})})


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("nand")
    compose(folder / "composed", "xo-1", more=CONTENT | DPKG, packages=[XO_BOOT])
    lay_settings(folder / "composed", {"./etc/shadow": b"of the deployer", "./srv": None, "./srv/more": b"a book"})
    return folder


@pytest.fixture(scope="module")
def partitioned(composed: Path) -> Path:
    return made(composed, NandFilesystem.UBIFS, name="ubifs")


@pytest.fixture(scope="module")
def whole(composed: Path) -> Path:
    return made(composed, NandFilesystem.JFFS2, name="jffs2")


@pytest.fixture(scope="module")
def flashed(partitioned: Path, whole: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Laptop, Laptop]:
    """A laptop with boot partition and UBIFS, flashed with the four game keys, and one with `copy-nand`."""
    keyed, copied = Laptop(), Laptop()
    bundle = (partitioned / "fs0.zip").read_bytes()
    assert takes(bundle, KEYS / "fs.public", ("sha256",), tmp_path_factory.mktemp("keys"))
    keyed.update(member(bundle, "data.img"), {"sugar0.uim": (partitioned / "sugar0.uim").read_bytes()})
    copied.copy((whole / "sugar0.img").read_bytes(), (whole / "sugar0.crc").read_bytes())
    return keyed, copied


def told(console: str, part: str) -> dict[str, str]:
    """By path, what the kernel had of a mounted file system."""
    (listing,) = re.findall(rf"begin {part}\n(.*?)end {part}\n", console, re.DOTALL)
    lines = (line.removeprefix("told ").partition("\t") for line in listing.split("\n") if line.startswith("told "))
    return {path.removeprefix("."): facts for facts, _, path in lines}


def expected(composed: Path, *, capabilities: bool) -> dict[str, str]:
    """The same of the tars of a composed image, one over the other."""
    found: dict[str, str] = {}
    kinds = {tarfile.DIRTYPE: 0o040000, tarfile.SYMTYPE: 0o120000, tarfile.CHRTYPE: 0o020000}
    with tarfile.open(composed / "root.tar") as system, tarfile.open(composed / "settings.tar") as settings:
        tars = (system, settings)
        members = {posixpath.normpath(f"/{one.name}").rstrip("/"): one for tar in tars for one in tar}
        for path, one in members.items():
            origin = members[posixpath.normpath(f"/{one.linkname}")] if one.islnk() else one
            same = sum(1 for other in members.values() if other.islnk() and other.linkname == origin.name)
            folders = [name for name, other in members.items() if other.isdir() and name]
            inside = sum(1 for name in folders if name.rpartition("/")[0] == path)
            links = 2 + inside if one.isdir() else 1 + same
            mode = kinds.get(origin.type, 0o100000) | origin.mode
            said = f"{mode:o} {origin.uid}:{origin.gid} {links} {int(origin.mtime)} {one.devmajor}:{one.devminor} "
            if capabilities and "SCHILY.xattr.security.capability" in one.pax_headers:
                said += CAPABILITY.hex()
            if one.issym():
                said += f"->{one.linkname}"
            if origin.isreg():
                tar = settings if origin in settings.getmembers() else system
                said += f"={fnv(tar.extractfile(origin).read()):x}"
            found[path] = said
    return found


def fnv(content: bytes) -> int:
    """FNV-1a of 64 bits, as its authors publish it."""
    value = 14695981039346656037
    for byte in content:
        value = (value ^ byte) * 1099511628211 % 2**64
    return value


# As the initramfs does it, with the package's own words for where the root is.
FLASH = """
for part in 1 2 3; do dd if=/part$part of=/dev/mtd$part bs=131072 2>/dev/null; done
XO_SYSTEM=/xo
mkdir -p /xo/sys/class/mtd/mtd2
echo system >/xo/sys/class/mtd/mtd2/name
. /disk.sh
for setting in $(root_of_bootpath /pci/nandflash@c:boot); do export "$setting"; done
"""
LOOK = """
show() { cd /mnt; echo begin $1; tell; echo end $1; cd /; umount /mnt; }
set -- $(store_device)
mount -t $2 -o ro $1 /mnt && show boot
mount -t $ROOTFSTYPE -o ro $ROOT /mnt && show system
mount -t ubifs $ROOT /mnt && sh -e /attributes /mnt && umount /mnt
mount -t ubifs -o ro $ROOT /mnt && show started
mount -t jffs2 -o ro mtd3 /mnt && show whole
mount -t ubifs $ROOT /mnt && echo of the child >/mnt/home/note-0 && umount /mnt
mount -t ubifs $ROOT /mnt && cat /mnt/home/note-0 /mnt/home/note-1 && echo && umount /mnt
mount -t jffs2 mtd3 /mnt && echo of the child >/mnt/home/note-0 && umount /mnt
mount -t jffs2 mtd3 /mnt && cat /mnt/home/note-0 /mnt/home/note-1 && echo && umount /mnt
"""


@pytest.fixture(scope="module")
def console(flashed: tuple[Laptop, Laptop], tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("machine")
    keyed, copied = flashed
    parts = (keyed.held["boot"], keyed.held["system"], copied.held[""])
    files = {f"part{number}": bytes(content) for number, content in enumerate(parts, start=1)}
    own = resource("packages") / XO_BOOT
    files |= {path.name: path.read_bytes() for path in (own / "lib/disk.sh", own / "bin/attributes")}
    try:
        return machine(folder).run(FLASH, LOOK, files, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_the_kernel_has_the_composed_system_on_ubifs(console: str, composed: Path) -> None:
    found, system = told(console, "system"), expected(composed / "composed", capabilities=False)
    assert {path for path in found if path not in system} == {"/etc/fstab", "/bootpart", *ATTRIBUTES}
    # That a folder has more in it shows in its links and time.
    assert [path for path in system if path not in {"", "/etc"} and found[path] != system[path]] == []
    fstab = (
        b"# By what the image's NAND holds.\nubi0:rootfs / ubifs defaults 0 0\nmtd:boot /bootpart jffs2 nofail 0 0\n"
    )
    assert found["/etc/fstab"].endswith(f"={fnv(fstab):x}")


def test_at_the_first_start_programs_get_their_capabilities_on_ubifs(console: str, composed: Path) -> None:
    found, system = told(console, "started"), expected(composed / "composed", capabilities=True)
    assert found["/bin/ping"] == system["/bin/ping"] != told(console, "system")["/bin/ping"]
    assert told(console, "system").keys() - found.keys() == {ATTRIBUTES[-1]}


def test_the_kernel_has_it_on_jffs2_with_what_the_firmware_starts(console: str, composed: Path) -> None:
    found = told(console, "whole")
    system = expected(composed / "composed", capabilities=True)
    more = {path for path in found if path not in system}
    assert more == {
        *("/boot-alt", "/runin", "/security", "/security/state", "/boot/olpc.fth", "/boot/olpc_build", "/etc/fstab"),
        *(f"/boot/{name}0.zip" for name in ("runos", "runrd", "actos", "actrd")),
    }
    assert [path for path in system if path not in {"", "/boot", "/etc"} and found[path] != system[path]] == []


def test_the_kernel_has_what_the_firmware_starts_on_the_boot_partition(console: str) -> None:
    found = told(console, "boot")
    assert {path.removeprefix("/") for path in found if path} == {
        *("boot", "boot-alt", "runin", "security", "security/state"),
        *("vmlinuz", "initrd.img", "olpc.fth", "olpc_build"),
        *(f"{name}0.zip" for name in ("runos", "runrd", "actos", "actrd")),
    }
    assert found["/vmlinuz"].endswith(f"={fnv(X86):x}")
    assert found["/boot"].endswith("->.")
    assert found["/actos0.zip"].endswith("->runos0.zip")


def test_the_kernel_writes_into_both(console: str) -> None:
    _, _, rest = console.partition("end whole\n")
    assert re.findall(r"^(of the child|1)$", rest, re.MULTILINE) == ["of the child", "1"] * 2


def test_the_laptop_takes_partitions_marks_and_clean_markers(flashed: tuple[Laptop, Laptop]) -> None:
    keyed, _ = flashed
    assert keyed.sizes == {"boot": 384, "system": -1}
    assert (keyed.marked, keyed.cleaned) == (["boot", "system"], ["boot"])
    assert keyed.held["system"].startswith(b"UBI#")


def test_a_whole_chip_is_signed_as_well(whole: Path, tmp_path: Path) -> None:
    bundle = (whole / "fs0.zip").read_bytes()
    assert takes(bundle, KEYS / "fs.public", ("sha256",), tmp_path)
    laptop = Laptop()
    laptop.update(member(bundle, "data.img"), {"sugar0.img": (whole / "sugar0.img").read_bytes()})
    assert laptop.held == {"": (whole / "sugar0.img").read_bytes()}
    assert (laptop.marked, laptop.cleaned) == ([""], [""])


@pytest.mark.parametrize("filesystem", NandFilesystem)
def test_the_same_image_gives_the_same_bytes(composed: Path, filesystem: NandFilesystem, tmp_path: Path) -> None:
    """On another disk, whose folders are in another order."""
    shutil.copytree(composed / "composed", tmp_path / "composed")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as memory:
        outs = (tmp_path / "one", Path(memory) / "other")
        for out in outs:
            make(tmp_path / "composed", read_model("xo-1"), out, filesystem=filesystem)
        images = [{path.name: path.read_bytes() for path in out.iterdir()} for out in outs]
    ends = {"ubifs": (".onu", ".uim"), "jffs2": (".crc", ".img")}[filesystem]
    assert set(images[0]) == {f"sugar0{end}" for end in ends} | {"manifest.json", "sbom.json", "files.txt.gz"}
    assert [name for name in images[0] if images[0][name] != images[1][name]] == []


def test_verify_and_inspect_take_them(partitioned: Path, whole: Path) -> None:
    keys = [str(KEYS / f"{purpose}.public") for purpose in ("os", "fs")]
    options = [word for key in keys for word in ("--key", key)]
    files = [partitioned / "sugar0.onu", partitioned / "fs0.zip", whole / "sugar0.img", whole / "fs0.zip"]
    result = CliRunner().invoke(image, ["verify", *map(str, files), *options, "--json"], standalone_mode=False)
    assert (result.exception, result.return_value) == (None, 0), result.output
    found = json.loads(result.stdout)["files"].values()
    assert [said for one in found for said in (*one["errors"], *one["warnings"])] == []


def test_what_fills_it_is_told(whole: Path, partitioned: Path) -> None:
    told = json.loads(CliRunner().invoke(image, ["inspect", str(whole), "--json"]).stdout)
    sizes = {one["name"]: one["bytes"] for one in told["largest packages"]}
    assert list(sizes) == ["words", "noise", "(of no package)"]
    assert sizes["words"] == len(CONTENT["./etc/words"])
    words, noise, _ = told["largest packages"]
    assert words["compressed"] < words["bytes"] / 2
    assert noise["compressed"] > noise["bytes"] * 0.9
    assert told["largest folders"][0]["name"] == "/etc"
    assert told["notes"] == []
    assert manifest.read(partitioned)["notes"] == [f"/bin/ping: security.capability {AT_FIRST_START}"]


@pytest.mark.parametrize(
    ("packages", "capability"), [((), "is left out: mkfs.ubifs takes none"), ((XO_BOOT,), AT_FIRST_START)]
)
def test_attributes_that_ubifs_never_has_are_told(packages: tuple[str, ...], capability: str, tmp_path: Path) -> None:
    """A list of access rights, as journals have; and capabilities where nothing would read a list of those."""
    rights = {"system.posix_acl_access": bytes.fromhex("0200000001000600ffffffff")}
    more, attributes = {"./etc/journal": b""}, {"./etc/journal": rights}
    compose(tmp_path / "composed", "xo-1", more=more, packages=packages, attributes=attributes)
    out = made(tmp_path, NandFilesystem.UBIFS, signed=False)
    assert manifest.read(out)["notes"] == [
        f"/bin/ping: security.capability {capability}",
        "/etc/journal: system.posix_acl_access is left out: UBIFS has none",
    ]


@pytest.mark.parametrize("filesystem", NandFilesystem)
def test_what_does_not_fit_is_refused_with_what_fills_it(filesystem: NandFilesystem, tmp_path: Path) -> None:
    noise = random.Random(1).randbytes(20_000_000)
    compose(tmp_path / "composed", "xo-1", more={"./etc/words": noise} | DPKG)
    with pytest.raises(DeployError, match=r"the system takes \d\d MiB \(1\d\d erase blocks\)") as refused:
        make(
            tmp_path / "composed",
            smaller("xo-1", boot_blocks=50, blocks=150),
            tmp_path / "out",
            filesystem=filesystem,
        )
    assert re.search(r"20\.0 MB, compressed +20\.0  words\n.*20\.0  /etc\n", refused.value.message, re.DOTALL)
    assert [path.name for path in tmp_path.iterdir()] == ["composed"]


def test_a_kernel_that_the_boot_partition_does_not_hold_is_refused(composed: Path, tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="kernel and ramdisk take 0 MiB"):
        make(composed / "composed", smaller("xo-1", boot_blocks=5), tmp_path / "out")


def test_a_file_system_is_chosen_for_nand_only(tmp_path: Path) -> None:
    compose(tmp_path / "composed", "xo-1.5")
    with pytest.raises(DeployError, match="has no raw NAND"):
        make(tmp_path / "composed", read_model("xo-1.5"), tmp_path / "out", filesystem=NandFilesystem.JFFS2)


@pytest.mark.parametrize("room", ["1m", "4m", "6m"])
def test_a_full_disk_is_told_and_nothing_stays(composed: Path, room: str, tmp_path: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={room}", "small", tmp_path], check=True)
    try:
        with pytest.raises(DeployError, match=r"the disk that holds .* is full"):
            make(composed / "composed", read_model("xo-1"), tmp_path / "out")
        assert list(tmp_path.iterdir()) == []
    finally:
        subprocess.run(["umount", tmp_path], check=True)


def test_an_fstab_of_the_deployers_own_stays(tmp_path: Path) -> None:
    own = {"./etc/fstab": b"# mine\nubi0:rootfs / ubifs ro 0 0\n"}
    compose(tmp_path / "composed", "xo-1", more=own)
    with tarfile.open(tmp_path / "composed/root.tar") as tar:
        assert tar.extractfile("./etc/fstab").read() == own["./etc/fstab"]
    out = made(tmp_path, NandFilesystem.JFFS2, signed=False)
    content = (out / "sugar0.img").read_bytes()
    assert (b"# mine" in content, b"By what the image" in content) == (True, False)
