"""What `image inspect` and `image diff` say of images, through the command line."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from sugar_deploy.cli.image import image
from sugar_deploy.image.outputs.make import make
from tests.integration.image.system import CAPABILITY, SNAPSHOT, compose
from tests.integration.image.test_disks import SIGNER, small


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    return make(compose(folder / "composed", "xo-1.5"), small("xo-1.5"), folder / "xo-1.5", signer=SIGNER)


def test_a_folder_tells_its_snapshot_keys_and_files(made: Path) -> None:
    done = CliRunner().invoke(image, ["inspect", str(made), "--json"])
    told = json.loads(done.stdout)
    assert told["recipe"]["snapshot"] == SNAPSHOT
    assert told["packages"] == 2
    assert told["largest folders"][0]["name"] == "/boot"
    assert told["system"]["bytes"] == sum(one["bytes"] for one in told["largest packages"])
    assert [key["purpose"] for key in told["keys"]] == ["os", "fs"]
    assert {one["name"] for one in told["files"]} >= {"sugar11.zd", "sugar11.zsp", "fs1.zip", "sbom.json"}


def test_a_zd_tells_its_partitions(made: Path) -> None:
    told = json.loads(CliRunner().invoke(image, ["inspect", str(made / "sugar11.zd"), "--json"]).stdout)
    assert [(one["start"], one["active"]) for one in told["partitions"]] == [
        (8192 * 512, True),
        (139264 * 512, False),
    ]
    assert told["left out"] == 0


def test_a_changed_file_is_told(made: Path, tmp_path: Path) -> None:
    for file in made.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "sugar11.zsp").write_bytes(b"data: other.zd\n")
    result = CliRunner().invoke(image, ["inspect", str(tmp_path)], standalone_mode=False)
    assert result.return_value == 1
    assert "sugar11.zsp: is not what the manifest says" in result.output


def test_images_differ_by_packages_and_files(made: Path, tmp_path: Path) -> None:
    newer = compose(tmp_path / "composed", "xo-1.5", more={"./etc/motd": b"welcome"})
    packages = json.loads((newer / "packages.json").read_text())
    packages[0]["version"] = "0.5.12-3"
    (newer / "packages.json").write_text(json.dumps(packages))
    result = CliRunner().invoke(image, ["diff", str(made), str(newer), "--json"], standalone_mode=False)
    told = json.loads(result.stdout)
    assert result.return_value == 1
    assert (told["recipe"], told["dates"]) == ([], [])
    assert told["packages"] == [{"name": "dash:i386", "before": "0.5.12-2", "after": "0.5.12-3"}]
    assert [(one["name"], one["before"], one["after"].split()[:3]) for one in told["files"]] == [
        ("/etc/motd", "", ["-rw-r--r--", "0:0", "7"])
    ]


def test_an_image_does_not_differ_from_what_it_was_made_of(made: Path) -> None:
    argv = ["diff", str(made), str(made.parent / "composed")]
    assert CliRunner().invoke(image, argv, standalone_mode=False).return_value == 0


def test_a_difference_that_is_in_no_file_is_explained(made: Path, tmp_path: Path) -> None:
    """Another stage, another date, a capability that is not there: and so other bytes to be flashed."""
    other = compose(tmp_path / "composed", "xo-1.5")
    recipe = json.loads((other / "recipe.json").read_text())
    recipe["stages"] = [{"name": "base", "id": "0123"}]
    (other / "recipe.json").write_text(json.dumps(recipe))
    with tarfile.open(made.parent / "composed/root.tar") as old, tarfile.open(other / "root.tar", "w") as new:
        for member in old:
            if member.name == "./etc/shadow":
                member.mtime -= 60
            if member.name == "./bin/ping":
                member.pax_headers = {}
            new.addfile(member, old.extractfile(member) if member.isreg() else None)
    again = make(other, small("xo-1.5"), tmp_path / "xo-1.5", signer=SIGNER)
    result = CliRunner().invoke(image, ["diff", str(made), str(again), "--json"], standalone_mode=False)
    told = json.loads(result.stdout)
    assert {kind: [one["name"] for one in changes] for kind, changes in told.items()} == {
        "recipe": ["stage base"],
        "packages": [],
        "files": ["/bin/ping"],
        "dates": ["/etc/shadow"],
        "outputs": ["fs1.zip", "sugar11.zd", "sugar11.zsp"],
    }
    (change,) = told["files"]
    assert f"security.capability={CAPABILITY.hex()}" in change["before"]
    assert "security.capability" not in change["after"]
    said = CliRunner().invoke(image, ["diff", str(made), str(again)], standalone_mode=False).output
    assert "  + stage base  none → 0123\n" in said
    assert "dates alone: 1 differences\nwhat is flashed: 3 differences\n" in said
