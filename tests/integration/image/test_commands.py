"""From a composed image to a stick by the commands alone, with a deployment's own keys."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.folder import Folder
from sugar_deploy.image.build import OUTPUT, STICK, Built, Finish, complete
from sugar_deploy.image.compose.build import Composed, Made
from sugar_deploy.image.inspection import inspected
from sugar_deploy.image.survey.survey import Survey
from sugar_deploy.image.verification import verified
from sugar_deploy.keys.laptop.keyset import KeySet
from tests.integration.image.system import compose
from tests.integration.image.test_disks import SIGNER, small
from tests.integration.image.test_media import on_fat
from tests.unit.cli.test_image_bundle import BEFORE, PASSPHRASE
from tests.unit.cli.test_image_command import run
from tests.unit.image.bundle_reader import takes

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("words", "files"),
    [((), {"sugar0.onu", "sugar0.uim"}), (("--filesystem", "jffs2"), {"sugar0.img", "sugar0.crc"})],
)
def test_an_xo_1s_stick(words: tuple[str, ...], files: set[str], tmp_path: Path, capsys: Capture) -> None:
    composed, out = compose(tmp_path / "composed", "xo-1"), tmp_path / "out"
    told = json.loads(run(capsys, "image", "output", composed, "-o", out, "--unsigned", "--json", *words)[1])
    assert files < {one["name"] for one in told["files"]}
    assert (told["folder"], told["signed"]) == (str(out), False)
    status, said, err = run(capsys, "image", "media", out, "-o", tmp_path / "stick", "--json")
    assert (status, err) == (0, "")
    assert {one["place"]: one["bytes"] for one in json.loads(said)["files"]} == {
        name: (out / name).stat().st_size for name in files
    }
    assert {path.name for path in (tmp_path / "stick").iterdir()} == files | {"contents.txt"}
    assert run(capsys, "image", "verify", tmp_path / "stick")[0] == 0


def test_a_locked_laptops_stick(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    # The model as it is, but for a medium that is made in a moment.
    monkeypatch.setattr("sugar_deploy.image.models.read_model", small)
    start(Folder(tmp_path / "lima"), Scenario.ONLINE_SERVER, "lima")
    KeySet(Folder(tmp_path / "lima"), "lima").create(["os", "fs"], PASSPHRASE, BEFORE, 10)
    (tmp_path / "passphrase").touch(0o600)
    (tmp_path / "passphrase").write_text(PASSPHRASE)
    composed, out = compose(tmp_path / "composed", "xo-1.5"), tmp_path / "xo-1.5"
    words = ("-C", tmp_path / "lima", "--passphrase-file", tmp_path / "passphrase")
    status, said, err = run(capsys, "image", "output", composed, "-o", out, *words)
    assert (status, err) == (0, "")
    assert f"{out}/sugar11.zd" in said
    public = tmp_path / "lima" / "keys" / "fs-1.public"
    assert takes((out / "fs1.zip").read_bytes(), public, ("sha256",), tmp_path)
    status, said, err = run(capsys, "image", "media", out, "-o", tmp_path / "stick", "--key", public)
    assert (status, err) == (0, "")
    assert f"{tmp_path / 'stick'}: 3 files" in said
    assert run(capsys, "image", "verify", tmp_path / "stick", "--key", public)[0] == 0


def test_a_build_ends_with_what_is_flashed_and_a_stick_of_it(tmp_path: Path, capsys: Capture) -> None:
    model, said = small("xo-1.5"), list[str]()
    composed = compose(tmp_path / "system", "xo-1.5")
    survey = Survey()
    survey.add(composed / "root.tar")
    built = Built(Composed(composed, "1", Made(composed / "root.tar", (), survey)))
    complete(built, model, tmp_path, said.append, Finish(name="aula", signer=SIGNER))
    assert inspected(tmp_path / OUTPUT)["faults"] == []
    assert on_fat(tmp_path / STICK) == {"aula.zd", "aula.zsp", "fs1.zip", "contents.txt"}
    assert (tmp_path / f"{STICK}.bmap").is_file()
    for made in (tmp_path / STICK, tmp_path / OUTPUT / "aula.zd"):
        (report,) = verified(made, SIGNER.keys).values()
        assert (report.errors, report.warnings, report.facts["models"]) == ([], [], "XO-1.5"), made
    assert (list(built.seconds), len(said)) == ([OUTPUT, STICK], 2)
    # Each command finds its part below the folder of the whole.
    assert json.loads(run(capsys, "image", "inspect", tmp_path, "--json")[1])["model"] == "xo-1.5"
    assert run(capsys, "image", "diff", tmp_path, tmp_path / OUTPUT)[0] == 0
    assert run(capsys, "image", "media", tmp_path, "-o", tmp_path / "stick")[0] == 0
    again = ("-o", tmp_path / "again", "--unsigned", "--size", "64gb")
    assert "no image of the size 64gb" in run(capsys, "image", "output", tmp_path, *again)[2]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--model", "xo-1.5"), "keys create; or make it for unlocked laptops: --unsigned"),
        (("--model", "xo-1.5", "--unsigned", "--size", "64gb"), "no image of the size 64gb"),
        (("--model", "xo-1.5", "--filesystem", "ubifs", "--unsigned"), "Leave --filesystem out"),
        (("--model", "xo-9"), "there is no such model"),
        (("--model", "xo-1.5", "--unsigned", "--school", "aula"), "Write `server: true`"),
    ],
)
def test_what_cannot_be_built_is_told_before_anything_is_composed(
    words: tuple[str, ...], told: str, tmp_path: Path, capsys: Capture
) -> None:
    start(Folder(tmp_path / "lima"), Scenario.ONLINE_SERVER, "lima")
    status, _, err = run(capsys, "image", "build", *words, "-C", tmp_path / "lima")
    assert (status, told in err, (tmp_path / "lima" / "images").exists()) == (2, True, False), err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("output", "{folder}", "-o", "{folder}/out"), "is no composed image"),
        (("output", "{composed}", "-o", "{folder}/out", "--unsigned", "--size", "64gb"), "no image of the size 64gb"),
        (("output", "{composed}", "-o", "{folder}/out", "--unsigned", "--name", "much-too-long"), "is no name"),
        (("output", "{composed}", "-o", "{composed}", "--unsigned"), "is not an image"),
        (("output", "{composed}", "-o", "{folder}/out", "--unsigned", "--filesystem", "ubifs"), "has no raw NAND"),
        (("media", "-o", "{folder}/stick"), "there is nothing to be put"),
        (("inspect", "{folder}"), "is no image's manifest"),
        (("diff", "{folder}", "{folder}"), "is no image"),
    ],
)
def test_what_cannot_be_is_told(words: tuple[str, ...], told: str, tmp_path: Path, capsys: Capture) -> None:
    composed = compose(tmp_path / "composed", "xo-1.5")
    argv = [word.format(folder=tmp_path, composed=composed) for word in words]
    status, _, err = run(capsys, "image", *argv)
    assert (status, told in err, "Traceback" in err or "Errno" in err) == (2, True, False), err
    assert {path.name for path in tmp_path.iterdir()} == {"composed"}
