"""The scripts of the initramfs under both shells that it may have, with busybox's tools and openssl and no others."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[3] / "packages" / "sugar-xo-boot"
LIBRARY = PACKAGE / "lib"
LIMITS = {"xxd": '[ "$*" = -p ] || exit 1', "tr": "case $* in *[[]:*) exit 1 ;; esac"}
"""What bullseye's busybox (1.30), by which the XO-1 starts, has not: reading hexadecimal, classes of characters."""
SHELLS = {"dash": ("dash",), "busybox": ("busybox", "sh")}


class Laptop:
    """A laptop's files, and its shell."""

    def __init__(self, system: Path, shell: tuple[str, ...], tools: Path) -> None:
        self.system, self.shell, self.tools = system, shell, tools
        self.work = system / "run"
        self.work.mkdir(parents=True)
        self.write("proc/cmdline", b"\n")

    def write(self, name: str, content: bytes = b"") -> Path:
        """A file of its system."""
        path = self.system / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def tag(self, name: str, value: bytes = b"") -> None:
        """A tag of the manufacturing data, as the firmware's device tree has it."""
        self.write(f"proc/device-tree/mfg-data/{name}", value)

    def chosen(self, name: str, value: str) -> None:
        """A property of /chosen."""
        self.write(f"proc/device-tree/chosen/{name}", value.encode() + b"\0")

    def run(self, script: str, *words: str | Path, input: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """A script with the parts of the library before it; WORDS are its $1 and so on."""
        parts = "".join(f". {LIBRARY}/{part}.sh\n" for part in PARTS)
        places = f"XO_SYSTEM={self.system} XO_WORK={self.work} XO_STORE={self.system}/store\n"
        argv = [*self.shell, "-c", places + parts + script, "sh", *map(str, words)]
        environment = {"PATH": str(self.tools), "LC_ALL": "C"}
        return subprocess.run(argv, env=environment, input=input, capture_output=True, check=False, timeout=60)

    def says(self, script: str, *words: str | Path, input: bytes = b"") -> str:
        """What it prints, when it succeeds and complains of nothing."""
        done = self.run(script, *words, input=input)
        assert (done.returncode, done.stderr) == (0, b"")
        return done.stdout.decode().rstrip("\n")


PARTS = ("laptop", "times", "signature", "lease", "media", "network", "screen", "disk", "versions", "activate")


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A PATH as in the initramfs."""
    folder = tmp_path_factory.mktemp("tools")
    subprocess.run(["busybox", "--install", "-s", folder], check=True)
    for name in ("busybox", "dash", "openssl"):
        found = shutil.which(name)
        assert found
        (folder / name).symlink_to(found)
    for name, limit in LIMITS.items():
        (folder / name).unlink()
        (folder / name).write_text(f'#!{folder}/sh\n{limit}\nexec busybox {name} "$@"\n')
        (folder / name).chmod(0o755)
    return folder


@pytest.fixture(params=sorted(SHELLS))
def laptop(request: pytest.FixtureRequest, tmp_path: Path, tools: Path) -> Laptop:
    """Without manufacturing data."""
    return Laptop(tmp_path / "system", SHELLS[request.param], tools)
