"""Which file goes where on a medium: for laptops, for a school's server, for both."""

from __future__ import annotations

from pathlib import Path

import pytest
from olpc_security.keys import PrivateKey

from sugar_deploy.errors import UsageError
from sugar_deploy.image.media.layout import Wanted, places
from sugar_deploy.image.media.write import write_folder
from sugar_deploy.keys.lease.delivery import write_delivery

VECTORS = Path(__file__).parents[1] / "olpc_security" / "vectors"
LEASES = VECTORS / "lease"


@pytest.fixture
def activities(tmp_path: Path) -> Path:
    folder = tmp_path / "activities"
    folder.mkdir()
    for name in ("Paint-3.xo", "atlas.xol", "school.info", "README"):
        (folder / name).write_text(name)
    return folder


@pytest.fixture
def delivery(tmp_path: Path) -> Path:
    """As `lease deliver` writes it."""
    key = PrivateKey.from_der((VECTORS / "keys" / "lease.private").read_bytes())
    write_delivery({"leases.sig": (LEASES / "lease-v1.sig").read_bytes()}, "lima", key, tmp_path / "delivery")
    return tmp_path / "delivery"


def test_a_card_for_a_server_and_its_laptops(activities: Path, delivery: Path, tmp_path: Path) -> None:
    wanted = Wanted(leases=LEASES / "lease-v1.sig", library=[activities], delivery=delivery)
    assert write_folder(places(wanted), tmp_path / "card") == []
    root = tmp_path / "card"
    found = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert found == {
        *("contents.txt", "lease.sig", "security/lease.sig"),
        *(f"xs-activity-server/{name}" for name in ("Paint-3.xo", "atlas.xol", "school.info", "manifest.sha256")),
        *(f"xs-activation/lima/{name}" for name in ("leases.sig", "manifest.sha1", "manifest.sha1.sig")),
    }
    for file in (delivery / "xs-activation" / "lima").iterdir():
        assert (root / "xs-activation" / "lima" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize(
    ("name", "fault"), [("README", "is nothing for a library"), ("señal.xo", "not every stick holds such a name")]
)
def test_what_is_for_no_library(activities: Path, name: str, fault: str) -> None:
    (activities / name).touch()
    with pytest.raises(UsageError, match=fault):
        places(Wanted(library=[activities / name]))


def test_folders_with_nothing_to_bring(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="has no bundle in it"):
        places(Wanted(library=[tmp_path]))
    with pytest.raises(UsageError, match="has no xs-activation in it"):
        places(Wanted(delivery=tmp_path))
    with pytest.raises(UsageError, match="there is nothing to be put onto the medium"):
        places(Wanted())


def test_two_names_that_are_one_to_fat(activities: Path, tmp_path: Path) -> None:
    (tmp_path / "PAINT-3.xo").touch()
    with pytest.raises(UsageError, match=r"both have the place xs-activity-server/PAINT-3\.xo"):
        places(Wanted(library=[activities, tmp_path / "PAINT-3.xo"]))
