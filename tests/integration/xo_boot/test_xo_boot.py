"""Locked laptops start, or do not: Debian's kernel and the package's own initramfs in QEMU, with 256 MB."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from olpc_security.laptop import Laptop

from tests.integration.server.conftest import new_server
from tests.integration.server.deployment import LAPTOP, LEASE_KEY, OTHER, STRANGER, VECTORS, starts
from tests.integration.xo_boot.disks import QUICK, System, kept_lease, medium
from tests.integration.xo_boot.laptop import Computer, Tags
from tests.integration.xo_boot.school import School, lan_of

pytestmark = pytest.mark.vm
LEASE = (VECTORS.parent / "lease/lease-v1.sig").read_bytes()
RUNS = "THE SYSTEM IS THERE"


class Lab:
    """The computer, and the disks that laptops have when they come from the factory."""

    def __init__(self, folder: Path) -> None:
        assert os.geteuid() == 0, "it mounts file systems and makes network namespaces: run it as root"
        self.folder, system = folder, System(folder)
        with system.mounted():
            system.install()
            self.small, self.versions = system.small_disk(), system.versions_disk()
            self.computer = Computer(*system.kernel(), folder)

    def tags(self, laptop: Laptop) -> Tags:
        """A locked laptop's manufacturing data."""
        folder = self.folder / f"tags-{laptop.serial}"
        return Tags(folder) if folder.exists() else Tags.write(folder, laptop, LEASE_KEY.public.der)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    return Lab(tmp_path_factory.mktemp("xo-boot"))


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    lan = lan_of(tmp_path_factory.mktemp("school"))
    with new_server() as server, School(server, own=(LAPTOP,), stolen=(STRANGER,), lan=lan) as made:
        yield made


def test_a_lease_from_the_school_is_kept_and_holds_at_the_next_start(lab: Lab, school: School) -> None:
    disk = lab.computer.own_disk(lab.small, "school")
    said = lab.computer.start(disk, lab.tags(LAPTOP), QUICK, lan=school.lan)
    assert "Asking schoolserver" in said
    assert "Activated by a lease of the school's server." in said
    assert RUNS in said
    assert "root=" not in said.partition(RUNS)[2], "the root was found without the command line"
    assert "Its addresses: <>" in said, "NetworkManager finds the cable as if nobody had been there"
    assert starts(kept_lease(disk), LAPTOP, time.time()), "the firmware's model takes it, as a file of its own"
    again = lab.computer.start(disk, lab.tags(LAPTOP), QUICK)
    assert "Activated by a lease of the laptop." in again
    assert RUNS in again


@pytest.mark.parametrize(("laptop", "why"), [(STRANGER, "reported stolen"), (OTHER, "No lease for this laptop")])
def test_the_school_gives_nothing_to_stolen_and_unknown_laptops(
    lab: Lab, school: School, laptop: Laptop, why: str
) -> None:
    disk = lab.computer.own_disk(lab.small, laptop.serial)
    # A stick with another laptop's lease is of no use either.
    stick = medium(lab.folder / f"{laptop.serial}-stick.img", LEASE)
    said = lab.computer.start(disk, lab.tags(laptop), QUICK, stick=stick, lan=school.lan)
    assert "THIS LAPTOP IS NOT ACTIVATED" in said
    assert why in said
    assert laptop.serial in said
    assert "reboot: Power down" in said
    assert RUNS not in said
    assert kept_lease(disk) == b""


def test_a_wrong_clock_makes_a_good_lease_useless(lab: Lab) -> None:
    disk = lab.computer.own_disk(lab.small, "clock")
    stick = medium(lab.folder / "clock-stick.img", LEASE)
    said = lab.computer.start(disk, lab.tags(LAPTOP), QUICK, stick=stick, clock="2000-01-01T00:00:00")
    assert "The laptop's clock is wrong (2000-01-01" in said
    assert RUNS not in said


def test_with_a_stick_a_build_of_the_versions_tree_starts_grows_and_becomes_somebody(lab: Lab) -> None:
    stick = medium(lab.folder / "stick.img", LEASE)
    said = lab.computer.start(lab.versions, lab.tags(LAPTOP), stick=stick)
    assert "Activated by a lease of a stick or card." in said
    assert kept_lease(lab.versions) == LEASE
    assert "THE WITNESS HAS SPOKEN" in said
    told = dict(line.strip().split(": ", 1) for line in said.splitlines() if line.startswith("told "))
    keys = " ".join(f"/etc/ssh/ssh_host_{kind}_key.pub" for kind in ("ecdsa", "ed25519", "rsa"))
    assert told["told failed"] == "none"
    assert told["told root"] == "/dev/vda2[/versions/run/32010]"
    assert told["told home"] == "/dev/vda2[/home]"
    assert told["told links"] == "2", "the run tree shares its files with the pristine one"
    assert told["told keys"] == keys
    # A machine-id and its line's end; the name comes after it, as the virtual machine's case has no serial number.
    assert told["told id"] == "33"
    assert told["told name"].startswith("pc-")
    assert len(told["told name"]) == 11
    assert int(told["told MiB"]) > 1200, "the image's root has 900"
