"""A bundle on a FAT32 stick under a kernel that has vfat: Debian's own, in a whole machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.machine import Machine
from sugar_deploy.lab.stick import Stick
from tests.integration.lab.test_offline import SECLUDED

pytestmark = pytest.mark.vm


@pytest.fixture(scope="module")
def server() -> Iterator[Machine]:
    # KVM, where it is there at all, would be tried for seconds by each test session; this one boots in half a minute.
    with Lab((SECLUDED,), backend="qemu-tcg") as made:
        yield made.machines["lima"]


# As a bundle has them: `+`, `~`, `%3a` and `:`-free epochs, capital letters, a name of a hundred letters, depth.
NAMES = (
    "install.sh",
    "README.txt",
    "sugar-deploy/MANIFEST.json",
    "sugar-deploy/MANIFEST.json.asc",
    "sugar-deploy/repository/dists/bookworm/InRelease",
    "sugar-deploy/repository/pool/main/p/prosody/prosody_0.12.3-1+deb12u1_amd64.deb",
    "sugar-deploy/repository/pool/main/libx/libx11/libx11-6_2%3a1.8.4-2~bpo12+1_amd64.deb",
    "sugar-deploy/repository/pool/main/g/" + "g" * 40 + "/" + "g" * 100 + "_1_all.deb",
    "sugar-deploy/wheels/PyYAML-6.0.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
)


def written(folder: Path) -> dict[str, str]:
    """Files as a bundle has them, and their hashes."""
    hashes = {}
    for number, name in enumerate(NAMES):
        content = hashlib.sha256(name.encode()).digest() * (1 + number * 2000)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        hashes[name] = hashlib.sha256(content).hexdigest()
    return hashes


def test_every_file_is_as_it_was_written_and_a_pulled_out_stick_gives_errors(server: Machine, tmp_path: Path) -> None:
    hashes = written(tmp_path / "bundle")
    stick = Stick.make(tmp_path / "stick", "fat32", size_mib=64)
    stick.fill(tmp_path / "bundle")
    server.plug(stick, read_only=True)
    assert server.run(("findmnt", "-no", "FSTYPE", "/media/stick")).stdout == "vfat\n"
    assert "Read-only" in server.run(("touch", "/media/stick/new"), check=False).stderr
    sums = "".join(f"{digest}  /media/stick/{name}\n" for name, digest in hashes.items())
    checked = server.run(("sha256sum", "--check", "--strict"), input=sums).stdout.splitlines()
    assert checked == [f"/media/stick/{name}: OK" for name in NAMES]
    found = server.run(("find", "/media/stick", "-type", "f", "-printf", "%P\\n")).stdout.splitlines()
    assert sorted(found) == sorted(NAMES)

    reads = 'exec 3< "$0"; echo 1 > /proc/sys/vm/drop_caches; until [ -e /run/pulled ]; do sleep .1; done; cat <&3'
    argv = ("systemd-run", "--quiet", "--unit=reads", "--remain-after-exit", "sh", "-c", reads)
    server.run((*argv, f"/media/stick/{NAMES[-1]}"))
    server.run(("sleep", "1"))
    server.yank()
    # Linux's FAT says of a folder that it can no longer read that nothing is in it; what it still knows, it fails at.
    with pytest.raises(DeployError, match=r"No such file|Input/output error"):
        server.run(("cat", f"/media/stick/{NAMES[-1]}"))
    said = "touch /run/pulled; until journalctl -q -u reads -o cat | grep -m1 error; do sleep .2; done"
    assert "Input/output error" in server.run(("sh", "-c", said), timeout_seconds=60).stdout
    server.plug(stick, read_only=True)
    assert server.run(("sha256sum", f"/media/stick/{NAMES[-1]}")).stdout.split()[0] == hashes[NAMES[-1]]
    server.unplug()
