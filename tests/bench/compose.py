"""How long each stage of composing an image takes: cold, with nothing changed, and with a setting changed.

Prints a table; asserts nothing. Debian's packages come from this machine's own cache, and are fetched into it before
the clock starts where they are not there.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from sugar_deploy.deployment.load import load
from sugar_deploy.deployment.model import Scenario
from sugar_deploy.deployment.start import start
from sugar_deploy.folder import Folder
from sugar_deploy.image.build import Finish, build
from sugar_deploy.image.compose.build import image_cache, making, write_folder
from sugar_deploy.image.compose.debian import choose
from sugar_deploy.image.compose.stage import folder_input, make_step
from sugar_deploy.image.models import Model, read_model
from sugar_deploy.keys.gpg import cache_home
from sugar_deploy.repository.derive.archive import KEYRING
from sugar_deploy.repository.derive.mirror import debian_mirror
from sugar_deploy.run.prepare import resolved

SHARED = ("archive", "packages")
"""Parts of the cache that are this machine's own: what was fetched, and our packages."""
SMALL = ("fontconfig", "fonts-dejavu-core", "initramfs-tools", "linux-image-cloud-amd64", "zstd")
BEFORE, AFTER, OUTPUT, STICK = "choosing packages", "image's folder", "what is flashed", "stick and clearing away"
STAGES = ("base", "packages", "mounts", "ramdisk", "files", "desktop", "caches", "finish")
PARTS = (BEFORE, *STAGES, AFTER, OUTPUT, STICK)


def spent() -> tuple[float, float]:
    """Now, and the processor time of this process and of all that it waited for; both in seconds."""
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return time.monotonic(), sum(one.ru_utime + one.ru_stime for one in usages)


@dataclass(slots=True)
class Times:
    """For each part its seconds and processor seconds, in the order in which they were done."""

    rows: dict[str, tuple[float, float]] = field(default_factory=dict)
    last: tuple[float, float] = field(default_factory=spent)

    def until_now(self, part: str) -> None:
        """The time since the part before was this one's."""
        now = spent()
        self.rows[part] = (now[0] - self.last[0], now[1] - self.last[1])
        self.last = now

    def said(self, line: str) -> None:
        """What a build tells of its parts."""
        if BEFORE not in self.rows and line.startswith("Stage"):
            self.until_now(BEFORE)
        if found := re.fullmatch(r"Stage (\w+): \d+ s", line):
            self.until_now(found[1])
        if line.startswith("Making and verifying"):
            self.until_now(OUTPUT if AFTER in self.rows else AFTER)


def whole(folder: Folder, model: Model, target: Path) -> Times:
    """All that `image build` makes for a model, unsigned."""
    times = Times()
    build(folder, resolved(folder), model, target, times.said, finish=Finish())
    times.until_now(STICK if OUTPUT in times.rows else OUTPUT)
    return times


def small(folder: Folder, model: Model, target: Path) -> Times:
    """Compose Debian with a kernel, its ramdisk and fonts alone."""
    times = Times()
    mirror, suite = debian_mirror(load(folder).repository), model.suites[0].name
    debian = choose(mirror, KEYRING, suite, model.architecture, SMALL, (), times.said)
    options = {"architecture": model.architecture}
    settings = folder_input(folder.overrides / "image" / "files")
    steps = [make_step("base", options, {"debian": debian.as_input()}), make_step("caches"), make_step("finish")]
    with making(steps, image_cache(), times.said) as made:
        write_folder(made, target, {"model": model.name}, settings)
    times.until_now(AFTER)
    return times


def at_home(scratch: Path) -> Folder:
    """A deployment with caches, settings and secrets of its own."""
    own, mine = cache_home(os.environ) / "sugar-deploy", scratch / "cache" / "sugar-deploy"
    mine.mkdir(parents=True)
    for name in SHARED:
        (own / name).mkdir(parents=True, exist_ok=True)
        (mine / name).symlink_to(own / name)
    os.environ |= {"XDG_CACHE_HOME": str(scratch / "cache"), "XDG_CONFIG_HOME": str(scratch / "config")}
    folder = Folder(scratch / "lima")
    start(folder, Scenario.ONLINE_SERVER, "lima")
    return folder


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="generic-pc64", help="generic-pc64 by default")
    parser.add_argument("--small", action="store_true", help="Debian without Sugar: 3 GB, and no disk is made")
    parser.add_argument("--insecure", action="store_true", help="without security updates: not all mirrors have them")
    parser.add_argument("--folder", type=Path, help="on which disk; some 20 GB, removed at the end")
    words = parser.parse_args()
    model, composed = read_model(words.model), small if words.small else whole
    with tempfile.TemporaryDirectory(dir=words.folder) as scratch:
        folder, target = at_home(Path(scratch)), Path(scratch) / "image"
        if words.insecure:
            folder.file.write_text(f"{folder.file.read_text()}\nrepository: {{security_mirror: none}}\n")
        if not words.small:
            subprocess.run([sys.executable, "-m", "sugar_deploy", "repo", "publish", "-C", folder.root], check=True)
        runs = {"cold": composed(folder, model, target), "nothing changed": composed(folder, model, target)}
        changed = folder.overrides / "image" / "files" / "etc"
        changed.mkdir(parents=True)
        (changed / "motd").write_text("a setting that changed\n")
        runs["a file changed"] = composed(folder, model, target)
        kept = sum(path.stat().st_size for path in image_cache().rglob("root.tar"))
    parts = sorted({part for one in runs.values() for part in one.rows}, key=PARTS.index)
    print(f"{'small' if words.small else model.name}, {os.cpu_count()} cores; {kept / 1e9:.1f} GB of stages kept\n")
    print("| | " + " | ".join(f"{name}, s | CPU s" for name in runs) + " |")
    print("|---|" + "---:|---:|" * len(runs))
    for part in parts:
        cells = (one.rows.get(part) for one in runs.values())
        print(f"| {part} | " + " | ".join(f"{c[0]:.1f} | {c[1]:.1f}" if c else "– | –" for c in cells) + " |")
    totals = ([sum(column) for column in zip(*one.rows.values(), strict=True)] for one in runs.values())
    print("| **all** | " + " | ".join(f"{seconds:.1f} | {cpu:.1f}" for seconds, cpu in totals) + " |")


if __name__ == "__main__":
    main()
