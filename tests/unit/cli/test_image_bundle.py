"""`sugar-deploy image bundle`: signed by the deployment's keys, here or on a machine apart, or unsigned."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.folder import Folder
from sugar_deploy.keys.laptop.keyset import KeySet
from tests.unit.cli.test_image_command import VECTORS, run
from tests.unit.image.bundle_reader import member, takes
from tests.unit.image.bundle_samples import X86, rom

Capture = pytest.CaptureFixture[str]
PASSPHRASE = "correct horse battery staple"
BEFORE = 1795700000  # November 2026, in Unix seconds


@pytest.fixture
def lima(tmp_path: Path) -> Path:
    """A deployment's folder with keys, and a disk image in its stick's."""
    start(Folder(tmp_path / "lima"), Scenario.ONLINE_SERVER, "lima")
    KeySet(Folder(tmp_path / "lima"), "lima").create(["os", "fs", "fw"], PASSPHRASE, BEFORE, 10)
    (tmp_path / "passphrase").touch(0o600)
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    for name, content in {"vmlinuz": X86, "rom": rom(1)}.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "stick").mkdir()
    shutil.copy(VECTORS / "image.zd", tmp_path / "stick")
    shutil.copy(VECTORS / "image.zsp", tmp_path)
    return tmp_path / "lima"


@pytest.mark.parametrize(
    ("data", "name", "key", "hashes"),
    [
        ("image.zsp", "fs1.zip", "fs", ("sha256",)),
        ("vmlinuz", "runos1.zip", "os", ("sha256",)),
        ("rom", "bootfw1.zip", "fw", ("sha256", "rmd160")),
    ],
)
def test_a_bundle_is_signed_by_the_key_of_its_kind(
    data: str, name: str, key: str, hashes: tuple[str, ...], lima: Path, capsys: Capture
) -> None:
    work, target = lima.parent, lima.parent / "stick" / name
    words = ("-C", lima, "--passphrase-file", work / "passphrase")
    assert run(capsys, "image", "bundle", work / data, target, *words) == (0, f"{target}\n", "")
    public = lima / "keys" / f"{key}-1.public"
    assert takes(target.read_bytes(), public, hashes, work)
    assert run(capsys, "image", "verify", target, "--key", public) == (0, f"{target}: the firmware takes it\n", "")


def test_signatures_of_a_machine_apart_are_proved(lima: Path, capsys: Capture) -> None:
    work, target = lima.parent, lima.parent / "stick" / "runos1.zip"
    words = ("-C", lima, "--passphrase-file", work / "passphrase")
    assert run(capsys, "keys", "sign", work / "vmlinuz", "--key", "os", *words)[0] == 0
    for file in (lima / "keys").glob("*.pem"):
        file.unlink()
    words = ("image", "bundle", work / "vmlinuz", target, "--signature", work / "vmlinuz.sig", "-C", lima)
    assert run(capsys, *words)[0] == 0
    assert takes(target.read_bytes(), lima / "keys" / "os-1.public", ("sha256",), work)
    target.unlink()
    (work / "vmlinuz").write_bytes(X86 + b"\n")
    status, _, err = run(capsys, *words)
    assert (status, "has not signed this" in err, target.exists()) == (2, True, False)


def test_unsigned_for_unlocked_laptops_and_what_cannot_be(lima: Path, capsys: Capture) -> None:
    work, stick = lima.parent, lima.parent / "stick"
    assert run(capsys, "image", "bundle", work / "vmlinuz", stick / "runos1.zip", "--unsigned")[0] == 0
    assert member((stick / "runos1.zip").read_bytes(), "data.img") == X86
    told = json.loads(
        run(capsys, "image", "bundle", work / "vmlinuz", stick / "runos1.zip", "--unsigned", "--json")[1]
    )
    assert (told["model"], told["contains"], told["signed"]) == ("XO-1.5", "kernel or Forth script", False)
    for data, name, more, said in (
        ("image.zsp", "fs1.zip", (), "no unsigned one"),
        ("rom", "bootfw4.zip", (), "switches itself off"),
        ("vmlinuz", "runos.zip", (), "one model's bundle"),
        ("vmlinuz", "actos1.zip", ("--signature", work / "rom"), "signatures or not"),
    ):
        status, _, err = run(capsys, "image", "bundle", work / data, stick / name, "--unsigned", *more)
        assert (status, said in err, (stick / name).exists()) == (2, True, False)
