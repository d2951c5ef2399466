"""`keys export keyjector`: what locked laptops install, read by the model of the firmware's zip reader."""

from __future__ import annotations

from pathlib import Path

import pytest
from olpc_security.keys import PrivateKey

from sugar_deploy.cli import main
from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.folder import Folder
from sugar_deploy.keys.laptop.keyset import KeySet
from tests.unit.image.bundle_reader import member, takes
from tests.unit.image.test_bundles import rom

Capture = pytest.CaptureFixture[str]
WORDS = "correct horse battery staple"
NAMES = ("lease", "developer", "os", "fs", "fw")
VECTORS = Path(__file__).parents[1] / "olpc_security" / "vectors" / "keys"


@pytest.fixture
def lima(tmp_path: Path) -> Path:
    """A deployment with keys, a keyjector that holds them, and the firmware that comes after it."""
    folder = Folder(tmp_path / "lima")
    start(folder, Scenario.ONLINE_SERVER, "lima")
    keys = KeySet(folder, "lima")
    for name in NAMES:
        # Vectors' keys: making new ones takes seconds.
        keys.adopt(name, PrivateKey.from_der((VECTORS / f"{name}.private").read_bytes()), WORDS, 1_795_000_000, 50)
    (tmp_path / "words").touch(0o600)
    (tmp_path / "words").write_text(WORDS)
    held = b"".join((VECTORS / f"{name}.public").read_bytes() for name in NAMES)
    (tmp_path / "keyjector.rom").write_bytes(rom(1, b"Q3C16A", held))
    (tmp_path / "firmware.rom").write_bytes(rom(1, b"Q3C17"))
    return tmp_path


def exported(capsys: Capture, lima: Path, *more: str | Path, model: str = "xo-1.5") -> tuple[int, str, str]:
    words = ["keys", "export", "keyjector", lima / "stick", "--model", model, "--keyjector", lima / "keyjector.rom"]
    words += ["--firmware", lima / "firmware.rom", "-C", lima / "lima", "--passphrase-file", lima / "words", *more]
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_both_are_signed_by_two_hashes(lima: Path, capsys: Capture) -> None:
    stick = lima / "stick" / "boot"
    assert exported(capsys, lima) == (0, f"{stick}/fw1.zip\n{stick}/bootfw1.zip\n", "")
    for name, image in (("bootfw1", "keyjector.rom"), ("fw1", "firmware.rom")):
        content = (stick / f"{name}.zip").read_bytes()
        assert member(content, "data.img") == (lima / image).read_bytes()
        assert takes(content, VECTORS / "fw.public", ("sha256", "rmd160"), lima)
        assert not takes(content, VECTORS / "os.public", ("sha256", "rmd160"), lima)
    with pytest.raises(SystemExit) as ended:
        main(["image", "verify", str(lima / "stick"), "--key", str(VECTORS / "fw.public")])
    assert not ended.value.code


def test_signatures_from_elsewhere(lima: Path, capsys: Capture) -> None:
    with pytest.raises(SystemExit):
        files = [str(lima / name) for name in ("keyjector.rom", "firmware.rom")]
        main(
            [
                "keys",
                "sign",
                *files,
                "--key",
                "fw",
                "-C",
                str(lima / "lima"),
                "--passphrase-file",
                str(lima / "words"),
            ]
        )
    signatures = ("--signatures", lima / "keyjector.rom.sig", lima / "firmware.rom.sig")
    assert exported(capsys, lima, *signatures, "--trusted", VECTORS / "os.public")[0] == 2, "laptops know another key"
    assert not list((lima / "stick" / "boot").iterdir())
    for pem in (lima / "lima" / "keys").glob("*.pem"):
        pem.unlink()
    assert exported(capsys, lima, *signatures, "--trusted", VECTORS / "fw.public")[0] == 0
    swapped = ("--signatures", lima / "firmware.rom.sig", lima / "keyjector.rom.sig")
    assert exported(capsys, lima, *swapped)[0] == 2


def test_the_firmware_must_be_newer_than_the_keyjector(lima: Path, capsys: Capture) -> None:
    # By number: a letter counts more than any digit, and what is missing as 0.
    for release, status in ((b"Q3C17", 0), (b"Q3C16B", 0), (b"Q3C16A", 2), (b"Q3C169", 2), (b"Q3C16", 2)):
        (lima / "firmware.rom").write_bytes(rom(1, release))
        got, _, said = exported(capsys, lima)
        assert (got, "laptops would keep the keyjector" in said) == (status, status == 2), release


def test_what_is_no_keyjector_for_the_model(lima: Path, capsys: Capture) -> None:
    assert exported(capsys, lima, model="xo-1.75")[0] == 2
    status, _, said = exported(capsys, lima, model="xo-9")
    assert (status, "xo-1.5" in said) == (2, True)
    assert not (lima / "stick").exists()
    (lima / "keyjector.rom").write_bytes(rom(1, b"Q3C16A"))
    status, _, said = exported(capsys, lima)
    assert (status, "does not hold these keys in the clear: developer, fs, fw, lease, os" in said) == (0, True)
