"""Composed by an ordinary user, with root's rights only in namespaces of its own: the same bytes as root's."""

from __future__ import annotations

import tarfile
from pathlib import Path

from sugar_deploy.image.compose.build import run
from tests.integration.image.ordinary_user import GIVEN, HOME, as_an_ordinary_user, done
from tests.integration.image.stages import FIRST, SECOND, Stages

OWNED = """
echo '*' > "$1"/shadow; chown 0:42 "$1"/shadow; chmod 640 "$1"/shadow
mkdir "$1"/home; chown 1000:1000 "$1"/home; chmod 700 "$1"/home
echo su > "$1"/su; chmod 4755 "$1"/su
cp "$1"/su "$1"/ping; setcap cap_net_raw=ep "$1"/ping
"""


def main() -> None:
    """What the user does."""
    tree, _ = run(Stages(GIVEN).recipe(), HOME / "cache", print)
    tree.replace(HOME / "root.tar")


def test_as_an_ordinary_user(stages: Stages, tmp_path: Path) -> None:
    stages.write("first", FIRST + OWNED)
    stages.write("second", f'{SECOND}; getcap "$1"/ping | grep -q cap_net_raw; test "$(id -u)" = 0')
    done(as_an_ordinary_user(stages.folder, tmp_path / "theirs", "-m", __name__))
    tree, _ = run(stages.recipe(), tmp_path / "cache", print)
    assert (tmp_path / "theirs/root.tar").read_bytes() == tree.read_bytes()
    with tarfile.open(tree) as tar:
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
