"""Images are cached by all their inputs, renewed in time, and kept while somebody uses them."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sugar_deploy.errors import DeployError
from sugar_deploy.lab import image
from sugar_deploy.lab.image import obtain, recipe
from sugar_deploy.lab.mirror import Mirror
from sugar_deploy.lab.sugar import with_sugar

MIRROR = Mirror("http://near.example/debian", None)


class Builder:
    """Stands in for mmdebstrap."""

    def __init__(self) -> None:
        self.built: list[Sequence[str]] = []
        self.fails = False

    def __call__(self, argv: Sequence[str], **_: Any) -> str:
        if self.fails:
            raise DeployError("the mirror does not answer")
        time.sleep(0.1)
        self.built.append(argv)
        root = Path(next(word for word in argv if word.endswith("/root")))
        (root / "etc").mkdir(parents=True)
        return ""


@pytest.fixture
def builder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builder:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    made = Builder()
    monkeypatch.setattr(image, "execute", made)
    return made


def take(**changes: Any) -> image.Image:
    found, held = obtain(recipe(**{"suite": "bookworm", "architecture": "amd64", "mirror": MIRROR, **changes}))
    os.close(held)
    return found


def make_older(found: image.Image, days: float) -> None:
    file = found.folder / "image.json"
    content = json.loads(file.read_text())
    file.write_text(json.dumps({**content, "built_at": content["built_at"] - days * 86400}))


def test_the_second_time_it_comes_from_the_cache(builder: Builder) -> None:
    assert take().folder == take().folder
    assert len(builder.built) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "trixie"},
        {"architecture": "arm64"},
        {"mirror": Mirror("http://far.example/debian", None)},
        {"extra": ("vim",)},
    ],
)
def test_every_input_counts(builder: Builder, change: dict[str, Any]) -> None:
    assert take().folder.name != take(**change).folder.name
    assert len(builder.built) == 2


def test_an_image_of_other_inputs_makes_room(builder: Builder) -> None:
    old = take()
    new = take(extra=("vim",))
    assert (old.folder.exists(), new.folder.exists()) == (False, True)


def test_an_image_in_use_stays(builder: Builder) -> None:
    old, held = obtain(recipe("bookworm", "amd64", MIRROR))
    take(extra=("vim",))
    assert old.root.is_dir()
    os.close(held)
    take(extra=("emacs",))
    assert not old.root.exists()


def test_kinds_do_not_displace_each_other(builder: Builder) -> None:
    plain, kernel = take(), take(kind="kernel", extra=("linux-image-cloud-amd64",))
    assert plain.folder.exists()
    assert kernel.folder.exists()


def test_an_old_image_isrenewed(builder: Builder) -> None:
    make_older(take(), image.MAXIMUM_AGE_DAYS + 1)
    take()
    assert len(builder.built) == 2


def test_without_a_mirror_an_old_image_serves_and_one_is_told(builder: Builder) -> None:
    old = take()
    make_older(old, 20)
    builder.fails = True
    said: list[str] = []
    found, held = obtain(recipe("bookworm", "amd64", MIRROR), said.append)
    os.close(held)
    assert found.folder == old.folder
    assert "20 days ago" in said[-1]
    assert "the mirror does not answer" in said[-1]


def test_a_failed_build_leaves_nothing(builder: Builder) -> None:
    builder.fails = True
    with pytest.raises(DeployError, match="does not answer"):
        take()
    assert [path for path in image.images_root().iterdir() if path.is_dir()] == []


def test_a_removal_that_is_cut_leaves_no_half_image(builder: Builder, monkeypatch: pytest.MonkeyPatch) -> None:
    old = take()

    def cut(_folder: Path, **_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(image.shutil, "rmtree", cut)
        with pytest.raises(KeyboardInterrupt):
            image.remove_unused(old)
    new = take()
    assert new.folder != old.folder
    assert [path for path in image.images_root().iterdir() if path.is_dir()] == [new.folder]


def test_two_labs_build_it_once(builder: Builder) -> None:
    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(builder.built) == 1


def test_an_unknown_suite_is_refused() -> None:
    with pytest.raises(DeployError, match="bookworm, trixie"):
        recipe("buster", "amd64", MIRROR)


def test_the_image_with_sugar_is_another_one_and_the_plain_one_stays(builder: Builder) -> None:
    plain = recipe("bookworm", "amd64", MIRROR)
    first = take()
    found, held = obtain(with_sugar(plain))
    os.close(held)
    make_older(found, 15)
    renewed, held = obtain(with_sugar(plain))
    os.close(held)
    assert first.folder.is_dir() and not found.folder.exists()
    make_older(first, 15)
    os.close(obtain(plain)[1])
    assert renewed.folder.is_dir() and not first.folder.exists()
    assert [("sucrose" in str(argv)) for argv in builder.built] == [False, True, True, False]
