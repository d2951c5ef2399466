"""Disks for laptops: read by other programs than those that made them, from the `.zd` as a laptop would write it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from olpc_security.bundles import sign_image
from olpc_security.keys import PrivateKey

from sugar_deploy.errors import DeployError
from sugar_deploy.image.bundles.signing import read_key
from sugar_deploy.image.models import Medium, Model, read_model
from sugar_deploy.image.outputs import manifest
from sugar_deploy.image.outputs.make import make
from sugar_deploy.image.outputs.signing import Signer
from sugar_deploy.image.zd.index import index
from tests.integration.image.system import ARM, CAPABILITY, SNAPSHOT, X86, compose
from tests.unit.image.bundle_reader import member, takes
from tests.unit.image.firmware import Laptop

KEYS = Path(__file__).parents[2] / "unit" / "olpc_security" / "vectors" / "keys"
SECTOR = 512
BOOT, ROOT = 8192 * SECTOR, 139264 * SECTOR
SIZE = 112 * 2**20


def small(name: str, size: int = SIZE) -> Model:
    """A model with a medium that is made in no time, instead of its own."""
    return read_model(name).model_copy(update={"media": (Medium(name="1gb", size=size),)})


def sign(file: Path, purpose: str) -> bytes:
    return sign_image(file.read_bytes(), [PrivateKey.from_der((KEYS / f"{purpose}.private").read_bytes())])


SIGNER = Signer(sign, tuple(read_key(KEYS / f"{purpose}.public") for purpose in ("os", "fs")))


@dataclass(frozen=True)
class Flashed:
    """An image's folder, and the storage of a laptop that flashed it over the rubbish of years."""

    image: Path
    disk: Path

    def debugfs(self, at: int, command: str) -> str:
        argv = ["/sbin/debugfs", "-R", command, f"{self.disk}?offset={at}"]
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout

    def read(self, at: int, file: str) -> bytes:
        argv = ["/sbin/debugfs", "-R", f"cat {file}", f"{self.disk}?offset={at}"]
        return subprocess.run(argv, capture_output=True, check=True).stdout


@pytest.fixture(scope="module")
def flashed(tmp_path_factory: pytest.TempPathFactory) -> Flashed:
    """A signed image for an XO-1.5, flashed with the four game keys."""
    folder = tmp_path_factory.mktemp("signed")
    composed = compose(folder / "composed", "xo-1.5")
    recipe = json.loads((composed / "recipe.json").read_text())
    (composed / "recipe.json").write_text(json.dumps(recipe | {"deployment": "lima", "own": ["sucrose"]}))
    out = make(composed, small("xo-1.5"), folder / "out", signer=SIGNER)
    laptop = Laptop(bytearray(b"\xa5" * SIZE))
    bundle = (out / "fs1.zip").read_bytes()
    assert takes(bundle, KEYS / "fs.public", ("sha256",), folder)
    laptop.signed_update(member(bundle, "data.img"), (out / "sugar11.zd").read_bytes(), "sugar11.zd")
    assert laptop.warnings == []
    (folder / "disk.img").write_bytes(laptop.storage)
    return Flashed(out, folder / "disk.img")


def test_the_partition_table_is_what_the_firmware_boots_from(flashed: Flashed) -> None:
    table = subprocess.run(["/sbin/sfdisk", "--json", flashed.disk], capture_output=True, text=True, check=True)
    partitions = json.loads(table.stdout)["partitiontable"]["partitions"]
    assert [(one["start"], one["type"], one.get("bootable", False)) for one in partitions] == [
        (8192, "83", True),
        (139264, "83", False),
    ]
    assert partitions[0]["size"] == 131072
    cylinders = SIZE // SECTOR // (16 * 62)
    assert partitions[1]["start"] + partitions[1]["size"] == cylinders * 16 * 62


@pytest.mark.parametrize("at", [BOOT, ROOT])
def test_nothing_of_the_old_storage_shows_through(flashed: Flashed, at: int) -> None:
    argv = ["/sbin/e2fsck", "-f", "-n", f"{flashed.disk}?offset={at}"]
    assert subprocess.run(argv, capture_output=True, check=False).returncode == 0


def test_the_boot_partition_is_one_that_the_firmware_can_write(flashed: Flashed) -> None:
    said = flashed.debugfs(BOOT, "show_super_stats -h")
    features = set(re.search(r"Filesystem features: +(.*)", said)[1].split())
    # openfirmware's ofw/fs/ext2fs/sb.fth: it writes only where there is nothing else.
    assert features <= {"ext_attr", "dir_index", "filetype", "sparse_super", "large_file", "dir_nlink", "extra_isize"}
    assert re.search(r"volume name: +Boot", said)


def test_an_old_kernel_can_mount_the_root(flashed: Flashed) -> None:
    said = flashed.debugfs(ROOT, "show_super_stats -h")
    features = set(re.search(r"Filesystem features: +(.*)", said)[1].split())
    assert "has_journal" in features
    assert not features & {"metadata_csum", "64bit", "orphan_file", "huge_file", "inline_data"}


def test_the_firmware_finds_what_it_starts(flashed: Flashed, tmp_path: Path) -> None:
    names = set(re.findall(r"(?:^|\s)([\w.-]+) *\n", flashed.debugfs(BOOT, "ls -l /")))
    assert {"boot", "runin", "security", "olpc.fth", "olpc_build", "runos1.zip", "runrd1.zip"} <= names
    assert 'Fast link dest: "."' in flashed.debugfs(BOOT, "stat /boot")
    assert 'Fast link dest: "runrd1.zip"' in flashed.debugfs(BOOT, "stat /actrd1.zip")
    assert "Type: directory" in flashed.debugfs(BOOT, "stat /security/state")
    script = flashed.read(BOOT, "/olpc.fth").decode()
    assert script.startswith("\\ ")
    assert "console=ttyS0,115200 console=tty0" in script
    for bundle, content in (("runos1.zip", X86), ("runrd1.zip", b"070701 a ramdisk")):
        archive = flashed.read(BOOT, f"/{bundle}")
        assert takes(archive, KEYS / "os.public", ("sha256",), tmp_path)
        assert member(archive, "data.img") == content
    assert flashed.read(BOOT, "/vmlinuz") == X86


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/etc/shadow", ["Mode:  0640", "Group:    42", "mtime: 0x5f5e01f0"]),
        ("/bin/su", ["Mode:  04755", "Links: 2"]),
        ("/bin/ping", [f"security.capability (20) = {CAPABILITY.hex(' ')}"]),
        ("/dev/null", ["Type: character special", "Device major/minor number: 01:03"]),
        ("/home/ana", ["Mode:  0700", "User:  1000"]),
        ('/home/ana/"a ""quoted"" name"', ["User:  1000"]),
        ("/boot/vmlinuz", ['Fast link dest: "vmlinuz-6.1"']),
    ],
)
def test_owners_and_modes_are_the_composed_ones(flashed: Flashed, path: str, told: list[str]) -> None:
    quoted = path if '"' not in path else '"/home/ana/a ""quoted"" name"'
    said = flashed.debugfs(ROOT, f"stat {quoted}")
    assert [part for part in told if part not in said] == []


def test_the_manifest_tells_what_is_in_it(flashed: Flashed) -> None:
    said = manifest.read(flashed.image)
    assert said["recipe"]["snapshot"] == SNAPSHOT
    assert said["time"] == "2020-09-13T12:26:40Z"
    assert {key["purpose"]: key["keyid"] for key in said["keys"]} == {
        purpose: (KEYS / f"{purpose}.public").read_bytes()[-32:].hex() for purpose in ("os", "fs")
    }
    sizes = {one["name"]: one["bytes"] for one in said["files"]}
    assert sizes == {
        path.name: path.stat().st_size for path in flashed.image.iterdir() if path.name != "manifest.json"
    }
    assert manifest.changed(flashed.image, said) == []
    bill = json.loads((flashed.image / "sbom.json").read_text())
    assert [one["purl"] for one in bill["components"]] == [
        "pkg:deb/debian/dash@0.5.12-2?arch=i386&distro=bookworm",
        "pkg:deb/lima/sucrose@0.120-1?arch=all&distro=bookworm",
    ]
    assert bill["components"][1]["licenses"] == [{"license": {"name": "GPL-3+"}}]


def test_the_same_image_gives_the_same_bytes(tmp_path: Path) -> None:
    made = []
    for run in ("one", "other"):
        (tmp_path / run).mkdir()
        composed = compose(tmp_path / run / "composed", "xo-4", kernel=ARM)
        out = make(composed, small("xo-4"), tmp_path / run / "out")
        made.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert set(made[0]) == {"sugar41.zd", "sugar41.zsp", "manifest.json", "sbom.json", "files.txt.gz"}
    assert [name for name in made[0] if made[0][name] != made[1][name]] == []


@pytest.mark.parametrize("changed", ["./etc/added", "./home/ana/added", "./var/added"])
def test_little_is_deflated_anew_after_a_settings_change(tmp_path: Path, changed: str) -> None:
    """A new file of settings moves nothing of the programs: their blocks are those of the image before."""
    large = {f"./usr/{number:03}": os.urandom(100_000) for number in range(200)}
    parents = {"./etc/motd": b"", "./var/log": b""}
    digests = []
    for name, more in (("before", {}), ("after", {changed: b"x" * 5000})):
        (tmp_path / name).mkdir()
        composed = compose(tmp_path / name / "composed", "xo-1.5", more={**large, **parents, **more})
        digests.append(index(make(composed, small("xo-1.5"), tmp_path / name / "out") / "sugar11.zd").keys())
    assert len(digests[1]) > 160
    assert len(digests[1] - digests[0]) < 20


def refused(folder: Path, words: str, composed: Path, model: Model) -> None:
    """That nothing is made, and the last image stays as it was."""
    out = folder / "out"
    before = {path.name: path.read_bytes() for path in out.iterdir()} if out.exists() else None
    with pytest.raises(DeployError, match=words):
        make(composed, model, out)
    assert ({path.name: path.read_bytes() for path in out.iterdir()} if out.exists() else None) == before
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []


def test_a_kernel_for_another_machine_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, "is not an ARM zImage", compose(tmp_path / "composed", "xo-4", kernel=X86), small("xo-4"))


def test_a_system_that_is_too_large_is_refused_in_words(tmp_path: Path) -> None:
    composed = compose(tmp_path / "composed", "xo-1.5", more={"./big": bytes(range(256)) * (300 << 10)})
    words = r"is too small for what goes into it:\n(.*\n)*.* 78\.6 MB, compressed .*  /$"
    refused(tmp_path, f"(?m){words}", composed, small("xo-1.5"))


def test_a_run_that_was_killed_leaves_nothing_that_counts(tmp_path: Path) -> None:
    composed = compose(tmp_path / "composed", "xo-1.5")
    program = (
        "import os, signal; from pathlib import Path\n"
        "from tests.integration.image.test_disks import small\n"
        "from sugar_deploy.image.outputs.make import make\n"
        f"make(Path({str(composed)!r}), small('xo-1.5'), Path({str(tmp_path / 'out')!r}),"
        " progress=lambda done, total: os.kill(os.getpid(), signal.SIGKILL))\n"
    )
    # Its workers end as well: they would hold the pipe open.
    killed = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    out = make(composed, small("xo-1.5"), tmp_path / "out")
    assert manifest.changed(out, manifest.read(out)) == []
    assert {path.name for path in tmp_path.iterdir()} == {"composed", "out"}
