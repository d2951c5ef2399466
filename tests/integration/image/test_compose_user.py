"""Composed by an ordinary user, with root's rights only in namespaces of its own: the same bytes as root's."""

from __future__ import annotations

import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

from sugar_deploy.image.compose.build import making
from sugar_deploy.image.outputs import extfs
from sugar_deploy.image.outputs.debugfs import Place
from sugar_deploy.image.survey.survey import Attribute
from tests.integration.image.ordinary_user import GIVEN, HOME, as_an_ordinary_user, done
from tests.integration.image.stages import FIRST, SECOND, Stages

MIB = 2**20
OWNED = """
echo '*' > "$1"/shadow; chown 0:42 "$1"/shadow; chmod 640 "$1"/shadow
mkdir "$1"/home "$1"/etc "$1"/etc/d; chown 1000:1000 "$1"/home; chmod 700 "$1"/home
echo su > "$1"/su; chmod 4755 "$1"/su
cp "$1"/su "$1"/ping; setcap cap_net_raw=ep "$1"/ping
"""


def main() -> None:
    """What the user does."""
    composed(Stages(GIVEN), HOME)


def composed(stages: Stages, area: Path) -> None:
    """Lay into AREA root.tar, an ext4 of the folder of which it was packed, and one of the tar alone."""
    with making(stages.recipe(), area / "cache", print) as made:
        assert made.unpacked, "it was made just now"
        filesystem(area / "of-folder.img", made.tree, made.survey.attributes, made.unpacked.folder)
        made.unpacked.drop()
    filesystem(area / "of-tar.img", made.tree)
    made.tree.replace(area / "root.tar")


def filesystem(
    image: Path, tree: Path, attributes: Callable[[], Iterable[Attribute]] | None = None, unpacked: Path | None = None
) -> None:
    work = image.with_suffix(".work")
    work.mkdir()
    with image.open("wb") as file:
        file.truncate(MIB * 16)
    extfs.make(
        Place(image, MIB, MIB * 15),
        extfs.ROOT,
        tree,
        label="OLPCRoot",
        identity=uuid.UUID(int=5),
        epoch=1_700_000_000,
        work=work,
        attributes=attributes,
        unpacked=unpacked,
    )


def test_as_an_ordinary_user(stages: Stages, tmp_path: Path) -> None:
    stages.write("first", FIRST + OWNED)
    stages.write("second", f'{SECOND}; getcap "$1"/ping | grep -q cap_net_raw; test "$(id -u)" = 0')
    theirs, ours = tmp_path / "theirs", tmp_path / "ours"
    done(as_an_ordinary_user(stages.folder, theirs, "-m", __name__))
    ours.mkdir()
    composed(stages, ours)
    assert (theirs / "root.tar").read_bytes() == (ours / "root.tar").read_bytes()
    images = {path.read_bytes() for folder in (theirs, ours) for path in folder.glob("of-*.img")}
    assert len(images) == 1
    stat = ["debugfs", "-R", "stat /ping", f"{ours / 'of-folder.img'}?offset={MIB}"]
    assert "security.capability" in subprocess.run(stat, capture_output=True, text=True, check=True).stdout
    with tarfile.open(ours / "root.tar") as tar:
        found = {one.name: one for one in tar}
    assert (found["./shadow"].uid, found["./shadow"].gid, found["./shadow"].mode) == (0, 42, 0o640)
    assert (found["./home"].uid, found["./su"].mode) == (1000, 0o4755)
    assert "SCHILY.xattr.security.capability" in found["./ping"].pax_headers
    assert not [name for name in found if name.startswith(("./proc/", "./sys/", "./dev/"))]


def test_a_user_without_ids_of_its_own_is_told(stages: Stages, tmp_path: Path) -> None:
    process = as_an_ordinary_user(stages.folder, tmp_path / "theirs", "-m", __name__, ids="")
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "images cannot be composed by the user 54321, who may make no namespaces: " in said
    assert "usermod --add-subuids" in said


if __name__ == "__main__":
    main()
