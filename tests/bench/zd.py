"""How fast a disk image becomes a `.zd`, against a straight single-threaded writer with zlib's level 6.

Prints a table; asserts nothing. The image is made of this machine's own programs and of empty space, as laptops'
are.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

BLOCK = 0x20000
SOURCES = ("/usr/lib", "/usr/share", "/usr/bin")
MEASURED = """\
import json, resource, sys, time
from pathlib import Path
from tests.bench import zd
began = time.monotonic()
size = getattr(zd, sys.argv[1])(Path(sys.argv[2]), Path(sys.argv[3]))
own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
print(json.dumps({
    "seconds": time.monotonic() - began, "size": size,
    "cpu": own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime,
    "peak": max(own.ru_maxrss, children.ru_maxrss) / 1024,
}))
"""


def straight(image: Path, target: Path) -> int:
    """The baseline: block after block, hashed and deflated by zlib, in one thread."""
    with image.open("rb") as disk, target.open("wb") as data:
        data.write(b"zblocks: %x %x\n" % (BLOCK, image.stat().st_size // BLOCK))
        index = 0
        while block := disk.read(BLOCK):
            packed = zlib.compress(block, 6)
            digest = hashlib.sha256(block).hexdigest().encode()
            data.write(b"zblock: %x %x sha256 %s\n%s\n" % (index, len(packed), digest, packed))
            index += 1
        data.write(b"zblocks-end:\n")
        return data.tell()


def ours(image: Path, target: Path) -> int:
    """`sugar-deploy image pack`, with an earlier .zd where there is one."""
    from sugar_deploy.image.zd.writing import write

    return write(image, target, previous=target).size


def checked(image: Path, target: Path) -> int:
    """`sugar-deploy image verify`."""
    from sugar_deploy.image.zd.checking import check_image

    del image
    if not check_image(target).ok:
        raise SystemExit(f"{target}: is broken")
    return target.stat().st_size


def make_image(path: Path, mebibytes: int) -> None:
    """An image of that size: two thirds files, a third empty."""
    wanted = mebibytes << 20
    with path.open("wb") as disk:
        for file in (file for top in SOURCES for file in sorted(Path(top).rglob("*"))):
            if disk.tell() > wanted * 2 // 3:
                break
            if file.is_file() and not file.is_symlink():
                with file.open("rb") as source:
                    shutil.copyfileobj(source, disk)
        disk.truncate(wanted)


def measure(what: Callable[[Path, Path], int], image: Path, target: Path) -> dict[str, float]:
    """Seconds, CPU-seconds, largest resident set of one process (MiB) and the size, in a process of its own."""
    argv = [sys.executable, "-c", MEASURED, what.__name__, str(image), str(target)]
    return json.loads(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--size", type=int, default=1024, metavar="MIB", help="the disk image's size; 1024 by default"
    )
    size = parser.parse_args().size
    with tempfile.TemporaryDirectory() as scratch:
        image, target = Path(scratch, "disk.img"), Path(scratch, "laptop.zd")
        make_image(image, size)
        baseline = measure(straight, image, Path(scratch, "straight.zd"))
        rows = [("zlib 6, one thread", baseline), ("image pack, cold", measure(ours, image, target))]
        with image.open("r+b") as disk:
            disk.seek(size << 18)
            disk.write(b"a setting that changed")
        rows += [("image pack, a setting changed", measure(ours, image, target))]
        rows += [("image verify", measure(checked, image, target))]
    print(f"{size} MiB\n\n| | s | MB/s | × baseline | CPU s | peak MiB | size MiB |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    for name, row in rows:
        print(
            f"| {name} | {row['seconds']:.1f} | {size * 1.048576 / row['seconds']:.0f} "
            f"| {baseline['seconds'] / row['seconds']:.1f} | {row['cpu']:.1f} | {row['peak']:.0f} "
            f"| {row['size'] / 2**20:.1f} |"
        )


if __name__ == "__main__":
    main()
