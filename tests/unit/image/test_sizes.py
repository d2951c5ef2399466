"""What fills an image, by package and by folder."""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import Path

from sugar_deploy.image.survey.sizes import UNOWNED, measured, shown

NOISE = random.Random(7).randbytes(100_000)


def tree(folder: Path) -> Path:
    """A system whose /bin lies in /usr, and whose packages name files where they were before."""
    files = {
        "./usr/bin/tool": NOISE,
        "./usr/bin/mine": bytes(50_000),
        "./usr/share/locale/es/words": bytes(30_000),
        "./var/lib/dpkg/info/tool:i386.list": b"/.\n/bin\n/bin/tool\n/bin/again\n",
        "./var/lib/dpkg/info/words.list": b"/usr/share/locale/es/words\n",
        "./top": b"",
    }
    with tarfile.open(folder / "root.tar", "w") as tar:
        for name, kind, target in (
            ("./bin", tarfile.SYMTYPE, "usr/bin"),
            *((name, tarfile.REGTYPE, "") for name in files),
            ("./usr/bin/again", tarfile.LNKTYPE, "./usr/bin/tool"),
        ):
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.size = kind, target, len(files.get(name, b""))
            tar.addfile(member, io.BytesIO(files.get(name, b"")))
    return folder / "root.tar"


def test_files_count_for_the_packages_that_brought_them_the_largest_first(tmp_path: Path) -> None:
    sizes = measured(tree(tmp_path))
    lists = len("/.\n/bin\n/bin/tool\n/bin/again\n") + len("/usr/share/locale/es/words\n")
    packages = [(one["name"], one["bytes"]) for one in sizes["packages"]]
    assert packages == [("tool", 100_000), (UNOWNED, 50_000 + lists), ("words", 30_000)]
    folders = {one["name"]: one["bytes"] for one in sizes["folders"]}
    assert folders == {"/usr/bin": 150_000, "/usr/share/locale": 30_000, "/var/lib/dpkg": lists, "/": 0}
    assert sizes["bytes"] == sum(folders.values()) == sum(size for _, size in packages)


def test_what_compresses_is_told_apart(tmp_path: Path) -> None:
    sizes = measured(tree(tmp_path))
    compressed = {one["name"]: one["compressed"] for one in sizes["packages"]}
    assert compressed["tool"] == 100_000
    assert compressed["words"] < 1_000
    assert [line.split()[-1] for line in shown(sizes, 1)] == ["packages:", "tool", "folders:", "/usr/bin"]
