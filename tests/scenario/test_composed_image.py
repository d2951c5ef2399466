"""An XO-1.5's image by one command: flashed onto a card, activated by its school, started to Sugar, registered.

Composed of Debian for i386 and the deployment's packages. The deployment is kept beside the composed stages, so that
what has not changed is not composed again. The tests build on each other.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.files import write_atomically
from sugar_deploy.folder import Folder
from sugar_deploy.image.build import OUTPUT, STICK
from sugar_deploy.image.compose.build import image_cache
from sugar_deploy.image.zd.reading import unpack
from sugar_deploy.lab.steps import own
from tests.integration.server.conftest import new_server
from tests.integration.server.deployment import LAPTOP, LEASE_KEY, STRANGER, starts
from tests.integration.xo_boot.disks import BOOT_START, SECTOR, kept_lease
from tests.integration.xo_boot.laptop import Tags
from tests.integration.xo_boot.school import School, lan_of
from tests.scenario.laptop.picture import Colour
from tests.scenario.laptop.sugar_screens import chosen_colours, has_colours, is_home_view
from tests.scenario.laptop.xo import Xo

pytestmark = pytest.mark.vm
MODEL = "xo-1.5"
LOOK_SECONDS = 3
BOOT_SECONDS = 1200
"""Some two hundred on a quiet machine, emulated."""
NICK = "Sugar"
"""The name of the image's user: it is not asked for."""
IN_SESSION = (
    "runuser -u olpc -- env HOME=/home/olpc DISPLAY=:0 LANG=C.UTF-8 "
    "SUGAR_PROFILE=default SUGAR_HOME=/home/olpc/.sugar "
    "XDG_RUNTIME_DIR=/run/user/1000 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus"
)
REGISTER = Path(__file__).parent / "laptop" / "register.py"
# What the deployment lays over the system: a shell for the tests on the serial line, and no minutes of waiting.
SHELL = """[Unit]
After=systemd-user-sessions.service
[Service]
ExecStart=/bin/sh
Restart=always
StandardInput=tty
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
"""
HASTE = "XO_ROUNDS=2\nXO_PAUSE_SECONDS=1\nXO_OFF_SECONDS=60\n"


@dataclass(frozen=True)
class Image:
    """What `image build` made, and a card that was flashed with it."""

    made: Path
    card: Path
    start: tuple[Path, Path]
    """Kernel and ramdisk, out of the signed bundles on the card."""


def deployment(folder: Folder) -> Folder:
    """As `init` writes it; of a mirror without security updates, which need not have those of i386."""
    if not folder.file.exists():
        start(folder, Scenario.ONLINE_SERVER, "lab")
        document = yaml.safe_load(folder.file.read_text())
        document["repository"] = {"contents": "own", "suites": ["bookworm"], "security_mirror": "none"}
        folder.file.write_text(json.dumps(document))
    files = folder.overrides / "image" / "files"
    units = files / "etc" / "systemd" / "system"
    (units / "multi-user.target.wants").mkdir(parents=True, exist_ok=True)
    (units / "lab-shell.service").write_text(SHELL)
    wanted = units / "multi-user.target.wants" / "lab-shell.service"
    if not wanted.is_symlink():
        wanted.symlink_to("../lab-shell.service")
    (files / "etc" / "sugar-xo-boot").mkdir(exist_ok=True)
    (files / "etc" / "sugar-xo-boot" / "boot.conf").write_text(HASTE)
    return folder


def deploy(folder: Folder, *words: str) -> str:
    """Our own command line, which must do what it is told."""
    done = own((*words, "-C", str(folder.root)))
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def forget_former(folder: Folder, stages: set[str]) -> None:
    """Drop what an earlier run composed of what has changed since: it would only fill the disk."""
    noted = folder.root / "stages.json"
    former = set(json.loads(noted.read_text())) if noted.exists() else set()
    for identity in former - stages:
        shutil.rmtree(image_cache() / identity, ignore_errors=True)
    write_atomically(noted, json.dumps(sorted(stages)), 0o644)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    folder, work = deployment(Folder(image_cache().with_name("lab") / "composed")), tmp_path_factory.mktemp("image")
    try:
        yield build(folder, work)
    finally:
        # Some gigabytes.
        shutil.rmtree(work)


def build(folder: Folder, work: Path) -> Image:
    """With the deployment's keys, verified by them, and on a card."""
    words = work / "passphrase"
    words.touch(0o600)
    words.write_text("a passphrase of the lab alone\n")
    keys = ("--passphrase-file", str(words))
    deploy(folder, "keys", "create", *keys)
    deploy(folder, "repo", "publish", "-q")
    made = work / "made"
    said = json.loads(deploy(folder, "image", "build", "--model", MODEL, "--output", str(made), "--json", *keys))
    forget_former(folder, {stage["id"] for stage in said["stages"]})
    trusted = [word for purpose in ("os", "fs") for word in ("--key", folder.laptop_keys / f"{purpose}-1.public")]
    done = own(("image", "verify", str(made / OUTPUT / "fs1.zip"), *map(str, trusted)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert (made / STICK).exists()
    bill = {
        one["purl"].partition("@")[0] for one in json.loads((made / OUTPUT / "sbom.json").read_text())["components"]
    }
    assert {"pkg:deb/lab/sugar-xo-boot", "pkg:deb/debian/sucrose"} <= bill
    # Every block is inflated and hashed on the way.
    card = work / "card.img"
    unpack(made / OUTPUT / "sugar12.zd", card)
    # Cards have a power of two.
    os.truncate(card, 1 << (card.stat().st_size - 1).bit_length())
    return Image(made, card, (_bundled(card, "runos1", work), _bundled(card, "runrd1", work)))


def _bundled(card: Path, name: str, folder: Path) -> Path:
    """What the firmware starts out of a bundle on the card's boot partition."""
    device = f"{card}?offset={BOOT_START * SECTOR}"
    done = subprocess.run(["debugfs", "-R", f"cat /{name}.zip", device], capture_output=True, check=True)
    (folder / name).write_bytes(zipfile.ZipFile(io.BytesIO(done.stdout)).read("data.img"))
    return folder / name


@pytest.fixture(scope="module")
def tags(tmp_path_factory: pytest.TempPathFactory) -> Tags:
    """The manufacturing data of a locked laptop."""
    return Tags.write(tmp_path_factory.mktemp("tags") / "own", LAPTOP, LEASE_KEY.public.der)


@pytest.fixture(scope="module")
def school(tmp_path_factory: pytest.TempPathFactory) -> Iterator[School]:
    lan = lan_of(tmp_path_factory.mktemp("school"))
    with new_server() as server, School(server, own=(LAPTOP,), stolen=(STRANGER,), lan=lan) as made:
        yield made


def test_without_a_lease_a_locked_laptop_is_refused(image: Image, tags: Tags, tmp_path: Path) -> None:
    with Xo(tmp_path, image.card, image.start, more=tags.words(), command_line="console=ttyS0") as xo:
        xo.awaits(lambda: "THIS LAPTOP IS NOT ACTIVATED" in xo.console(), BOOT_SECONDS, "refusal")
        xo.awaits(lambda: f"Serial number: {LAPTOP.serial}" in xo.console(), BOOT_SECONDS, "serial number")
        assert "No lease for this laptop was found" in xo.console()
    assert kept_lease(image.card) == b""


def answer_questions(xo: Xo) -> frozenset[Colour]:
    """As a child does at the first start: this colour, fourth grade. Gives the colours."""
    chosen: frozenset[Colour] = xo.awaits(
        lambda: chosen_colours(xo.screen()), BOOT_SECONDS, "question for a colour", LOOK_SECONDS
    )
    xo.presses("ret")
    xo.awaits(lambda: not has_colours(xo.screen(), chosen), BOOT_SECONDS, "question for the grade", LOOK_SECONDS)
    xo.clicks(0.5, 0.47)
    xo.awaits(lambda: has_colours(xo.screen(), chosen), BOOT_SECONDS, "grade that is chosen", LOOK_SECONDS)
    xo.presses("ret")
    return chosen


def test_its_school_activates_it_and_sugar_comes_up_and_registers(
    image: Image, tags: Tags, school: School, tmp_path: Path
) -> None:
    assert school.server.registrations() == []
    # With the empty command line of a signed start.
    with Xo(tmp_path, image.card, image.start, more=tags.words(), lan=school.lan) as xo:
        xo.awaits_shell(BOOT_SECONDS)
        assert xo.says("cat /proc/cmdline").strip() == ""
        assert xo.says("findmnt -no SOURCE,LABEL /").split() == ["/dev/mmcblk0p2", "OLPCRoot"]
        assert f"A lease for {LAPTOP.serial} goes to" in school.log.read_text()
        assert starts(xo.says("cat /bootpart/security/lease.sig").encode(), LAPTOP, time.time())
        chosen = answer_questions(xo)
        xo.awaits(lambda: is_home_view(xo.screen(), chosen), BOOT_SECONDS, "home view", LOOK_SECONDS)
        child = xo.says(f"{IN_SESSION} gsettings get org.sugarlabs.user color").strip().strip("'").lower()
        assert {f"#{red:02x}{green:02x}{blue:02x}" for red, green, blue in chosen} == set(child.split(","))
        xo.says(f"{IN_SESSION} python3 - <<'END'\n{REGISTER.read_text()}\nEND", BOOT_SECONDS)
        (registered,) = school.server.registrations()
        serial = xo.says("cat /home/olpc/.sugar/default/identifiers/sn").strip()
        assert (registered["serial"], registered["nick"]) == (serial, NICK)
