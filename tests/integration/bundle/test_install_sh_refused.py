"""`sh install.sh` without a working sugar-deploy: a wrong stick changes nothing, and the clock goes back."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.integration.bundle.minimal_root import STICK, Clock, Machine, machine
from tests.unit.bundle_install.sticks import Key, Stick, make_key, snapshot_files, tree

INSTALL = Path(__file__).resolve().parents[3] / "sugar_deploy/bundle/install.sh"
STATE = "var/lib/sugar-deploy"
SOURCE = "# The deployment's own packages, kept by sugar-deploy.\nTypes: deb\n"
BEFORE = int(datetime(2001, 2, 3, tzinfo=UTC).timestamp())
MADE = int(datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC).timestamp())


@dataclass
class Bare:
    """A server of lima that has had number 3, or that was deployed over SSH, and sticks for it."""

    machine: Machine
    keys: dict[str, Key]
    stick: Stick

    def sh(self, *options: str) -> subprocess.CompletedProcess[str]:
        return self.machine.run("sh", f"{STICK}/install.sh", "--yes", *options, stick=self.stick.root)

    def bring(self, signed: str = "lima", serial: int = 4, **fields: Any) -> None:
        """A stick whose tool is none that this server has."""
        shutil.rmtree(self.stick.folder, ignore_errors=True)
        suite = self.machine.suite
        self.stick.keys, self.stick.serial, self.stick.fields = (self.keys[signed],), serial, fields
        self.stick.files = snapshot_files("444444444444", serial, {"chrony_1.deb": b"chrony"}) | {
            f"wheels/{suite}-amd64.txt": b"click==8.3 --hash=sha256:" + b"0" * 64 + b"\n",
            "project.tar": b"a project",
        }
        self.stick.write()

    def refused(self, told: str, *options: str) -> None:
        before = tree(self.machine.upper)
        refused = self.sh(*options)
        assert refused.returncode == 1, refused.stdout + refused.stderr
        assert told in refused.stderr
        assert tree(self.machine.upper) == before


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def bare(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bare]:
    folder = tmp_path_factory.mktemp(f"bare-{request.param}")
    keys = {name: make_key(folder / name, name) for name in ("lima", "quito")}
    fresh = machine(request.param, folder / "m")
    stick = Stick(folder / "stick", (keys["lima"],))
    stick.root.mkdir()
    shutil.copyfile(INSTALL, stick.root / "install.sh")
    # The mount points are there from the first command on, and the folder for what is temporary.
    assert fresh.run("sh", "-c", "mkdir /var/tmp/first && rmdir /var/tmp/first", stick=stick.root).returncode == 0
    yield Bare(fresh, keys, stick)
    fresh.close()
    for key in keys.values():
        subprocess.run(["gpgconf", "--homedir", str(key.home), "--kill", "all"], check=True)


@pytest.fixture
def lima(bare: Bare) -> Iterator[Bare]:
    """It has number 3, but its sugar-deploy is broken."""
    record = {"format": 1, "deployment": "lima", "school": "san-martin", "snapshot": "3" * 12, "serial": 3}
    record |= {"fingerprints": [bare.keys["lima"].fingerprint], "installed_at": "2026-01-01T00:00:00Z"}
    bare.machine.put(f"{STATE}/bundle.json", json.dumps(record, indent=2) + "\n")
    bare.machine.put(f"{STATE}/keys/lima.asc", bare.keys["lima"].public)
    bare.machine.put("usr/local/bin/sugar-deploy", "#!/bin/sh\nexit 1\n", 0o755)
    bare.machine.put("opt/sugar-deploy/0.1.0-01234567/kept", "the former tool")
    yield bare
    for path in (STATE, "opt/sugar-deploy"):
        shutil.rmtree(bare.machine.upper / path)
    (bare.machine.upper / "usr/local/bin/sugar-deploy").unlink()


def test_a_stick_of_another_deployment(lima: Bare) -> None:
    told = "this stick is of the deployment quito, and this server belongs to lima. Use a stick of lima"
    lima.bring("quito", deployment="quito")
    lima.refused(told)
    lima.refused(told, "--allow-older", "--set-clock", "--fingerprint", lima.keys["quito"].fingerprint)
    # One that says that it is ours is told by its signature.
    lima.bring("quito")
    lima.refused("not signed by the key that this server trusts for lima")


def test_a_stick_of_another_deployment_than_the_one_that_apt_has(bare: Bare) -> None:
    bare.bring("quito", deployment="quito")
    source = bare.machine.put("etc/apt/sources.list.d/lima.sources", SOURCE)
    other = bare.machine.put("etc/apt/sources.list.d/debian.sources", "Types: deb\n")
    bare.refused("this stick is of the deployment quito, and this server belongs to lima")
    source.unlink()
    other.unlink()


def test_an_older_stick_unless_it_is_asked_for(lima: Bare) -> None:
    lima.bring(serial=2)
    lima.refused("this stick is older (number 2) than what this server has (number 3)")
    assert "Checking all files" in lima.sh("--allow-older").stdout


# As a published repository has it, and without spaces.
@pytest.mark.parametrize("record", ['{\n "id": "a",\n "serial": 12,\n "suites": {}\n}\n', '{"serial":12}'])
def test_what_the_repository_in_use_says_counts_most(lima: Bare, record: str) -> None:
    lima.machine.put(f"{STATE}/repository/snapshot.json", record)
    lima.bring(serial=4)
    lima.refused("this stick is older (number 4) than what this server has (number 12)")


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"schools": ["santa-rosa"]}, "this stick is for other schools, and this server is san-martin"),
        ({"since": {"snapshot": "4" * 12, "serial": 4}}, "only what changed since number 4, and this server has 3"),
    ],
)
def test_not_for_this_server(lima: Bare, fields: dict[str, Any], told: str) -> None:
    lima.bring(serial=5, **fields)
    lima.refused(told)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda file: file.write_bytes(b"chronY"), "chrony_1.deb on the stick is damaged or was tampered with"),
        (lambda file: file.unlink(), "the stick is only half copied, or cannot be read: repository/pool/main/chrony"),
    ],
)
def test_a_stick_whose_packages_are_not_what_was_signed(
    lima: Bare, change: Callable[[Path], object], told: str
) -> None:
    lima.bring()
    change(lima.stick.folder / "repository/pool/main/chrony_1.deb")
    lima.refused(told)


@pytest.fixture
def clock(lima: Bare) -> Iterator[Clock]:
    given = Clock.give(lima.machine, BEFORE)
    yield given
    given.remove()


def test_the_clock_stays_set_once_the_signature_holds(lima: Bare, clock: Clock) -> None:
    lima.bring(serial=2)
    assert "older (number 2)" in lima.sh("--set-clock").stderr
    assert clock.told() == [f"set to {MADE + 1}", "hwclock --systohc --utc"]


def test_the_clock_goes_back_when_the_signature_does_not_hold(lima: Bare, clock: Clock) -> None:
    lima.bring("quito")
    assert "not signed by the key" in lima.sh("--set-clock").stderr
    assert clock.told() == [f"set to {MADE + 1}", f"set to {BEFORE}"]


def test_the_clock_goes_back_when_another_fingerprint_was_told(lima: Bare, clock: Clock) -> None:
    lima.bring()
    assert "not by 0123" in lima.sh("--set-clock", "--fingerprint", "0123").stderr
    assert clock.told() == [f"set to {MADE + 1}", f"set to {BEFORE}"]


def test_the_clock_goes_back_when_it_is_interrupted(lima: Bare, clock: Clock) -> None:
    lima.bring()
    proof = lima.machine.put("usr/local/sbin/gpgv", '#!/bin/sh\nkill -TERM "$PPID"\n', 0o755)
    assert lima.sh("--set-clock").returncode == 130
    assert clock.told() == [f"set to {MADE + 1}", f"set to {BEFORE}"]
    assert not list((lima.machine.upper / "var/tmp").glob("sugar-deploy*"))
    proof.unlink()
