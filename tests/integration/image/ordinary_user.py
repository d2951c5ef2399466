"""An account that the machine does not notice, and who works under it: in a mount namespace of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[3]
GIVEN = Path("/mnt/given")
HOME = Path("/mnt/home")
_SCRIPT = r"""set -eu
repository=$1 given=$2 home=$3 python=$4 ids=$5
shift 5
# A place that everybody may enter.
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/code /mnt/given /mnt/home /mnt/etc
mount --bind "$repository" /mnt/code
mount --bind "$given" /mnt/given
mount --bind "$home" /mnt/home
for name in passwd subuid subgid; do
    touch "/etc/$name"
    grep -v '^teresa:' "/etc/$name" > "/mnt/etc/$name" || true
done
echo 'teresa:x:54321:54321::/mnt/home:/bin/sh' >> /mnt/etc/passwd
[ -z "$ids" ] || echo "teresa:$ids" | tee -a /mnt/etc/subuid >> /mnt/etc/subgid
for name in passwd subuid subgid; do mount --bind "/mnt/etc/$name" "/etc/$name"; done
chown 54321:54321 /mnt/home
cd /mnt/home
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/mnt/home TZ=Asia/Tokyo LANG=es_PE.UTF-8 \
    PYTHONPATH=/mnt/code PYTHONDONTWRITEBYTECODE=1 \
    setpriv --reuid 54321 --regid 54321 --clear-groups -- sh -c 'umask 077; exec "$@"' sh "/mnt/code/$python" "$@"
"""


def as_an_ordinary_user(given: Path, home: Path, *words: str, ids: str = "700000:65536") -> subprocess.Popen[str]:
    """Run Python with these words; GIVEN, which everybody has to be able to read, and HOME are where it sees them.

    IDS are the subordinate ones of the user, first and count, as in subuid(5).
    """
    given.chmod(0o755)
    home.mkdir()
    python = Path(sys.executable).relative_to(REPOSITORY)
    argv = ["unshare", "--mount", "sh", "-c", _SCRIPT, "sh", REPOSITORY, given, home, python, ids, *words]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def done(process: subprocess.Popen[str]) -> None:
    """Wait for its good end."""
    said, _ = process.communicate(timeout=900)
    assert process.returncode == 0, said
