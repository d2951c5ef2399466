"""Composed by an ordinary user, with root's rights only in namespaces of its own: the same bytes as root's."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from pathlib import Path

from sugar_deploy.image.compose.build import run
from tests.integration.image.stages import FIRST, SECOND, Stages

REPOSITORY = Path(__file__).parents[3]
OWNED = """
echo '*' > "$1"/shadow; chown 0:42 "$1"/shadow; chmod 640 "$1"/shadow
mkdir "$1"/home; chown 1000:1000 "$1"/home; chmod 700 "$1"/home
echo su > "$1"/su; chmod 4755 "$1"/su
cp "$1"/su "$1"/ping; setcap cap_net_raw=ep "$1"/ping
"""
AS_USER = r"""set -eu
repository=$1 stages=$2 out=$3
# A place that everybody may enter, and an account, which the machine does not notice.
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/code /mnt/stages /mnt/home /mnt/etc
mount --bind "$repository" /mnt/code
cp -R "$stages/." /mnt/stages
for name in passwd subuid subgid; do
    touch "/etc/$name"
    grep -v '^teresa:' "/etc/$name" > "/mnt/etc/$name" || true
done
echo 'teresa:x:54321:54321::/mnt/home:/bin/sh' >> /mnt/etc/passwd
echo 'teresa:700000:65536' | tee -a /mnt/etc/subuid >> /mnt/etc/subgid
for name in passwd subuid subgid; do mount --bind "/mnt/etc/$name" "/etc/$name"; done
chown 54321:54321 /mnt/home
cd /mnt/home
env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/mnt/home PYTHONPATH=/mnt/code PYTHONDONTWRITEBYTECODE=1 \
    setpriv --reuid 54321 --regid 54321 --clear-groups -- \
    "/mnt/code/$4" -m tests.integration.image.test_compose_user
cp /mnt/home/root.tar "$out"
"""


def main() -> None:
    """What the user does."""
    tree, _ = run(Stages(Path("/mnt/stages")).recipe(), Path("/mnt/home/cache"), print)
    Path("/mnt/home/root.tar").write_bytes(tree.read_bytes())


def test_as_an_ordinary_user(stages: Stages, tmp_path: Path) -> None:
    stages.write("first", FIRST + OWNED)
    stages.write("second", f'{SECOND}; getcap "$1"/ping | grep -q cap_net_raw; test "$(id -u)" = 0')
    python = Path(sys.executable).relative_to(REPOSITORY)
    words = ["sh", "-c", AS_USER, "sh", REPOSITORY, stages.folder, tmp_path / "theirs.tar", python]
    done = subprocess.run(["unshare", "--mount", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    tree, _ = run(stages.recipe(), tmp_path / "cache", print)
    assert (tmp_path / "theirs.tar").read_bytes() == tree.read_bytes()
    with tarfile.open(tmp_path / "theirs.tar") as tar:
        found = {one.name: one for one in tar}
    assert (found["./shadow"].uid, found["./shadow"].gid, found["./shadow"].mode) == (0, 42, 0o640)
    assert (found["./home"].uid, found["./su"].mode) == (1000, 0o4755)
    assert "SCHILY.xattr.security.capability" in found["./ping"].pax_headers
    assert not [name for name in found if name.startswith(("./proc/", "./sys/", "./dev/"))]


if __name__ == "__main__":
    main()
