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
from tests.unit.image.bundle_samples import rom

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


def laid_out(capsys: Capture, lima: Path, *folders: str) -> tuple[int, str]:
    """`image media` of these folders, with the firmware's key."""
    words = [word for folder in folders for word in ("--keyjector", str(lima / folder))]
    with pytest.raises(SystemExit) as ended:
        main(["image", "media", *words, "-o", str(lima / "all"), "--key", str(VECTORS / "fw.public")])
    return int(ended.value.code or 0), capsys.readouterr().err


def test_one_stick_for_several_models(lima: Path, capsys: Capture) -> None:
    assert exported(capsys, lima)[0] == 0
    (lima / "keyjector.rom").write_bytes(rom(4, b"Q7B05A"))
    (lima / "firmware.rom").write_bytes(rom(4, b"Q7B06"))
    (lima / "stick").rename(lima / "old")
    assert exported(capsys, lima, model="xo-4")[0] == 0
    assert laid_out(capsys, lima, "old", "stick") == (0, "")
    files = {path.name: path.read_bytes() for path in (lima / "all" / "boot").iterdir()}
    assert set(files) == {"bootfw1.zip", "fw1.zip", "bootfw4.zip", "fw4.zip"}
    for model, folder in ((1, "old"), (4, "stick")):
        for name in (f"bootfw{model}.zip", f"fw{model}.zip"):
            assert files[name] == (lima / folder / "boot" / name).read_bytes()
    status, said = laid_out(capsys, lima, "old", "old")
    assert (status, "both have the place boot/fw1.zip" in said) == (2, True)


def test_a_keyjector_that_would_stay_is_not_laid_out(lima: Path, capsys: Capture) -> None:
    assert exported(capsys, lima)[0] == 0
    boot = lima / "stick" / "boot"
    (boot / "fw1.zip").rename(lima / "fw1.zip")
    status, said = laid_out(capsys, lima, "stick")
    assert (status, "bootfw1.zip is alone" in said) == (2, True)
    (boot / "fw1.zip").write_bytes((boot / "bootfw1.zip").read_bytes())
    status, said = laid_out(capsys, lima, "stick")
    assert (status, "laptops would keep the keyjector" in said) == (2, True)
    for file in boot.iterdir():
        file.unlink()
    status, said = laid_out(capsys, lima, "stick")
    assert (status, "has no keyjector" in said) == (2, True)
    assert not (lima / "all").exists()
