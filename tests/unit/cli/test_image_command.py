"""`sugar-deploy image`: exit statuses, JSON, and what is said of a file that the firmware refuses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from sugar_deploy.cli import main

VECTORS = Path(__file__).parents[1] / "image" / "vectors"


def run(capsys: pytest.CaptureFixture[str], *words: str | Path) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as caught:
        main([str(word) for word in words])
    said = capsys.readouterr()
    return int(caught.value.code or 0), said.out, said.err


@pytest.fixture
def vector(tmp_path: Path) -> Path:
    for kind in ("zd", "zsp"):
        shutil.copy(VECTORS / f"image.{kind}", tmp_path)
    return tmp_path / "image.zd"


def test_a_good_image_is_taken(vector: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "image", "verify", vector)[:2] == (0, f"{vector}: the firmware takes it\n")
    assert "blocks: 8" in run(capsys, "image", "verify", vector, "-v")[1]
    assert run(capsys, "image", "verify", vector, "-q") == (0, "", "")


def test_a_refused_image_fails_and_names_the_block(vector: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = bytearray(vector.read_bytes())
    data[data.index(b"zblock: 1 ") + 100] ^= 1
    vector.write_bytes(data)
    status, out, err = run(capsys, "image", "verify", vector)
    assert (status, "refuses" in out, "block 1" in err) == (1, True, True)
    status, out, _ = run(capsys, "image", "verify", vector, "--json")
    report = json.loads(out)
    assert (status, report["ok"], report["files"][str(vector)]["ok"]) == (1, False, False)


def test_the_description_beside_it_is_compared(vector: Path, capsys: pytest.CaptureFixture[str]) -> None:
    spec = vector.with_suffix(".zsp")
    spec.write_bytes(spec.read_bytes().replace(b"data: image.zd", b"data: other.zd"))
    status, _, err = run(capsys, "image", "verify", vector)
    assert (status, "names other.zd" in err) == (1, True)
    vector.unlink()
    status, _, err = run(capsys, "image", "verify", spec)
    assert (status, "image.zd is not beside it" in err) == (2, True)


def test_an_image_is_packed_and_unchanged_blocks_are_taken_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "disk.img").write_bytes(b"a disk of children's work\n" * 40_000)
    words = ("image", "pack", tmp_path / "disk.img", tmp_path / "laptop.zd", "--workers", "1", "--json")
    first = json.loads(run(capsys, *words)[1])
    assert (first["blocks"], first["reused"]) == (8, 0)
    assert json.loads(run(capsys, *words)[1])["reused"] == 8
    assert run(capsys, "image", "verify", tmp_path / "laptop.zd", "-q") == (0, "", "")


def test_a_name_that_the_firmware_does_not_see_is_warned_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "disk.img").write_bytes(b"a disk")
    for name, is_seen in (("32010o1.zd", True), ("sugar-2026.zd", False), ("a.b.zd", False)):
        status, _, err = run(capsys, "image", "pack", tmp_path / "disk.img", tmp_path / name, "--workers", "1")
        assert (status, "on FAT the firmware does not see it" in err) == (0, not is_seen)


def test_every_model_is_listed_with_its_kernel_and_what_was_proved(capsys: pytest.CaptureFixture[str]) -> None:
    told = {one["name"]: one for one in json.loads(run(capsys, "image", "list", "--json")[1])}
    assert set(told) == {"generic-pc", "generic-pc64", "xo-1", "xo-1.5", "xo-1.75", "xo-4"}
    said = run(capsys, "image", "list")[1]
    for name, model in told.items():
        assert f"\n{name}: " in f"\n{said}"
        assert all(line in said for line in (*model["proved"], *model["unproved"], *model["firmware"]))
        for suite in model["suites"]:
            assert f"  {suite['name']}: kernel {suite['kernel']['package']}: {suite['kernel']['why']}\n" in said
    assert run(capsys, "image", "list", "-q")[1].split() == sorted(told)
    # Only hardware can prove these.
    for name in ("xo-1", "xo-1.5", "xo-1.75", "xo-4"):
        assert "flashing and starting on a laptop" in told[name]["unproved"]


def test_a_bundle_is_verified_with_the_key_that_laptops_trust(
    vector: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    signed = Path(__file__).parents[1] / "olpc_security" / "vectors"
    bundle = Path(shutil.copy(signed / "bundle" / "fs1.zip", vector.parent))
    words = ("image", "verify", bundle, "--key", signed / "keys" / "fs.public")
    assert run(capsys, *words) == (0, f"{bundle}: the firmware takes it\n", "")
    content = bytearray(bundle.read_bytes())
    content[content.index(b"zblock: 2") + 8] ^= 1
    bundle.write_bytes(content)
    status, _, err = run(capsys, *words)
    assert (status, "has not signed this" in err, "line 10: Spec line mismatch" in err) == (1, True, True)


def test_a_sticks_folder_is_verified_as_a_whole(vector: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stick = vector.parent
    assert run(capsys, "image", "verify", stick, "-q") == (0, "", "")
    vector.with_suffix(".zsp").rename(stick / "image-of-2026.zsp")
    status, out, _ = run(capsys, "image", "verify", stick, "--json")
    files = json.loads(out)["files"]
    assert (status, files[str(vector)]["ok"], files[str(stick / "image-of-2026.zsp")]["ok"]) == (1, True, False)
    assert run(capsys, "image", "verify", vector.parent, "--ext")[0] == 1


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("verify", "notes.zip"), "no name of a bundle"),
        (("pack", "disk.img", "laptop.img"), "laptop.zd"),
        (("verify", "notes.txt"), "no kind of image"),
        (("pack", "none.img", "laptop.zd"), "none.img"),
        (("pack", "disk.img", "no/laptop.zd"), "no: there is no such folder"),
    ],
)
def test_what_cannot_be_is_wrong_usage(
    words: tuple[str, ...],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "disk.img").write_bytes(b"disk")
    for name in ("notes.txt", "notes.zip"):
        (tmp_path / name).write_text("notes")
    status, _, err = run(capsys, "image", *words)
    assert (status, said in err) == (2, True)
