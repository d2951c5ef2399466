"""The models' files, and what is refused of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sugar_deploy.errors import UsageError
from sugar_deploy.image.models import Flow, models, read_model
from sugar_deploy.resources import model_names, resource


def test_every_model_of_the_contract_is_there() -> None:
    assert model_names() == ("generic-pc", "generic-pc64", "xo-1", "xo-1.5", "xo-1.75", "xo-4")


def test_what_the_firmware_wants_of_each() -> None:
    """Numbers, storage and kinds of kernel as the firmware's own configuration has them."""
    numbers = {model.name: model.number for model in models()}
    assert numbers == {"generic-pc": None, "generic-pc64": None, "xo-1": 0, "xo-1.5": 1, "xo-1.75": 2, "xo-4": 4}
    assert {model.name: model.flow for model in models() if model.number} == dict.fromkeys(
        ("xo-1.5", "xo-1.75", "xo-4"), Flow.ZD
    )
    assert all(model.bundle.is_arm == (model.architecture == "armhf") for model in models() if model.bundle)


def test_partitions_lie_behind_each_other_and_fit_each_medium() -> None:
    for model in models():
        end = 0
        for partition in model.partitions:
            assert partition.start >= end
            end = partition.start + (partition.sectors or 0)
        assert all(end * 512 < medium.size for medium in model.media)
        assert all(partition.sectors for partition in model.partitions[:-1])


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ("title: XO-1", "title: ''"),
        ("flow: nand", "flow: tape"),
        ("architecture: i386", "architecture: sparc"),
        ("title: XO-1", "titel: XO-1"),
    ],
)
def test_a_file_that_breaks_the_schema_is_refused_by_its_key(tmp_path: Path, change: str, named: str) -> None:
    text = (resource("image") / "models" / "xo-1.yml").read_text(encoding="utf-8")
    assert change in text
    (tmp_path / "mine.yml").write_text(text.replace(change, named), encoding="utf-8")
    with pytest.raises(UsageError, match=rf"mine\.yml: .*{named.split(':', maxsplit=1)[0]}"):
        read_model("mine", tmp_path)


def test_an_unknown_model_and_suite_name_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"xo-2.*xo-1\.5"):
        read_model("xo-2")
    with pytest.raises(UsageError, match="bookworm"):
        read_model("xo-1.5").suite("slink")
