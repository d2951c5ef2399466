"""What may go wrong while a disk is made of a composed image: the last one stays, and the next run carries on."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.errors import DeployError, UsageError
from sugar_deploy.folder import Folder
from sugar_deploy.image.outputs.make import make
from sugar_deploy.keys.laptop.keyset import KeySet
from tests.integration.image.killing import killed
from tests.integration.image.stages import Stages, image_of
from tests.integration.image.system import compose
from tests.integration.image.test_disks import small
from tests.unit.cli.test_image_bundle import BEFORE, PASSPHRASE
from tests.unit.cli.test_image_command import run

LONG_AGO = 1704067200  # 2024, in Unix seconds
Capture = pytest.CaptureFixture[str]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_full_disk_wherever_it_fills_up(tmp_path: Path, small_disk: Callable[[int], Path]) -> None:
    large = {"./large": os.urandom(2 << 20)}
    composed = compose(tmp_path / "composed", "xo-1.5", ramdisk=os.urandom(1 << 20), more=large)
    out = small_disk(64) / "out"
    out.mkdir()
    (out / "manifest.json").touch()
    # The boot partition's content takes 2 MiB, the root's 3 twice, and all that is deflated 4.
    for kibibytes in (64, 1024, *range(2560, 65536, 1536)):
        small_disk(kibibytes)
        try:
            make(composed, small("xo-1.5"), out)
            break
        except DeployError as error:
            assert error.message == f"the disk that holds {out.parent} is full"
            assert error.remedy.startswith("Make room there")
        assert files(out) == {"manifest.json": b""}
        assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert kibibytes > 7000
    assert files(out) == files(make(composed, small("xo-1.5"), tmp_path / "roomy"))


def test_killed_at_each_step(tmp_path: Path) -> None:
    """Killed again and again, each time a program or a move of a file further."""
    composed, out = compose(tmp_path / "composed", "xo-1.5"), tmp_path / "there" / "out"
    out.mkdir(parents=True)
    (out / "manifest.json").touch()
    work = functools.partial(make, composed, small("xo-1.5"), out)
    for number in itertools.count(1):
        if not killed(number, work, ("subprocess.Popen", "os.rename")):
            break
        assert files(out) == {"manifest.json": b""}
    assert number > 8
    assert [path.name for path in out.parent.iterdir()] == ["out"]
    assert files(out) == files(make(composed, small("xo-1.5"), tmp_path / "undisturbed"))


def test_a_former_output_that_is_damaged_costs_time_not_truth(tmp_path: Path) -> None:
    """Its blocks are taken over without being inflated only where its manifest proves them."""
    composed, out = compose(tmp_path / "composed", "xo-1.5", ramdisk=os.urandom(1 << 20)), tmp_path / "out"
    right = files(make(composed, small("xo-1.5"), out))
    (image,) = out.glob("*.zd")
    damaged = bytearray(image.read_bytes())
    for at in range(5000, len(damaged), 40000):
        damaged[at] ^= 0x10
    image.write_bytes(damaged)
    assert files(make(composed, small("xo-1.5"), out)) == right


@pytest.mark.parametrize("left", [0, 700, -10240, -1])
def test_a_system_that_is_cut_off_is_refused(stages: Stages, tmp_path: Path, left: int) -> None:
    """At the end of a file's header, in a file, before the last blocks: what tar itself would take for whole too."""
    tree = image_of(stages.recipe(), tmp_path / "cache", tmp_path / "image", "xo-1.5")
    composed = tmp_path / "image"
    (composed / "root.tar").write_bytes(tree.read_bytes()[:left])
    with pytest.raises(UsageError, match=r"image is no composed image: .*\. Make one: sugar-deploy image build"):
        make(composed, small("xo-1.5"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def lima(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A deployment's folder, whose keys are good for a year from 2026 on."""
    monkeypatch.setattr("sugar_deploy.image.models.read_model", small)
    start(Folder(tmp_path / "lima"), Scenario.ONLINE_SERVER, "lima")
    (tmp_path / "passphrase").touch(0o600)
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    return tmp_path / "lima"


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("none were made", "{keys} has no keys to sign XO-1.5's image with. Make them: sugar-deploy keys create"),
        ("one is missing", "there is no key called fs in {keys}. Make it: sugar-deploy keys create"),
        ("its file is gone", "the private key fs-1 is not on this machine: there is no {keys}/fs-1.pem. Sign on"),
        ("expired", "the key os was to be replaced by 2024"),
    ],
)
def test_keys_that_cannot_sign(lima: Path, tmp_path: Path, capsys: Capture, fault: str, told: str) -> None:
    keys, out = KeySet(Folder(lima), "lima"), tmp_path / "out"
    if fault == "one is missing":
        keys.create(["os"], PASSPHRASE, BEFORE, 10)
    elif fault != "none were made":
        keys.create(["os", "fs"], PASSPHRASE, LONG_AGO if fault == "expired" else BEFORE, 1)
    if fault == "its file is gone":
        (keys.path / "fs-1.pem").unlink()
    composed = compose(tmp_path / "composed", "xo-1.5")
    words = ("image", "output", composed, "-o", out, "-C", lima, "--passphrase-file", tmp_path / "passphrase")
    status, _, err = run(capsys, *words)
    assert (status != 0, told.format(keys=keys.path) in err, "Traceback" in err) == (True, True, False), err
    assert not out.exists()
