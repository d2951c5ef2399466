"""Which backends work here: each is tried by really booting something, once since this machine booted.

That a device or a program is there says little: a host may have /dev/kvm and not run a stock kernel under it.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from sugar_deploy.errors import DeployError
from sugar_deploy.files import write_atomically
from sugar_deploy.lab.backends import BACKENDS, traits
from sugar_deploy.lab.image import SUITES, obtain, recipe
from sugar_deploy.lab.lab import Lab
from sugar_deploy.lab.mirror import read_mirror
from sugar_deploy.lab.places import cache_root
from sugar_deploy.lab.process import Argv, execute, package_remedy
from sugar_deploy.lab.qemu import newest_boot_file, system
from sugar_deploy.lab.spec import UPLINK, MachineSpec, Nic

KVM_SECONDS = 15.0
TCG_SECONDS = 120.0
UML_SECONDS = 20.0
UML = "linux.uml"
_KERNEL_MARK = "Run /init as init process"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Found:
    """What came of trying a backend."""

    backend: str
    works: bool
    tried: str
    seen: str
    seconds: float
    lasting: bool = True
    """Whether it stays true until this machine boots again; a missing program does not."""

    def as_dict(self) -> dict[str, Any]:
        """For --json."""
        return asdict(self)


def choose(say: Say = lambda _: None) -> str:
    """The fastest backend that works; DeployError if none does."""
    tried = []
    for name in BACKENDS:
        found = probe_one(name, say=say)
        if found.works:
            return name
        tried.append(f"{name}: {found.seen}")
    raise DeployError(
        f"No kind of machine works here ({'; '.join(tried)})",
        "On Debian: sudo apt install systemd-container qemu-system-x86 qemu-utils mmdebstrap",
    )


def probe(*, again: bool = False, say: Say = lambda _: None) -> list[Found]:
    """Try them all."""
    return [probe_one(name, again=again, say=say) for name in (*BACKENDS, "uml")]


def probe_one(name: str, *, again: bool = False, say: Say = lambda _: None) -> Found:
    """What came of trying this one, now or since this machine booted."""
    file = cache_root() / "backends.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    with (cache_root() / f"backends-{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        known = _read(file)
        if name in known and not again:
            return known[name]
        say(f"Trying whether {name} works here")
        found = _try(name)
        if found.lasting:
            _write(file, found)
        return found


def _read(file: Path) -> dict[str, Found]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["boot_id"] != _BOOT_ID.read_text(encoding="ascii"):
            return {}
        return {name: Found(**found) for name, found in content["backends"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def _write(file: Path, found: Found) -> None:
    with file.with_suffix(".lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        backends = {name: each.as_dict() for name, each in _read(file).items()} | {found.backend: found.as_dict()}
        content = {"boot_id": _BOOT_ID.read_text(encoding="ascii"), "backends": backends}
        write_atomically(file, json.dumps(content, indent=2))


def _try(name: str) -> Found:
    attempts: dict[str, Callable[[], Found]] = {
        "qemu-kvm": lambda: _try_kernel("qemu-kvm", "kvm", KVM_SECONDS),
        "qemu-tcg": lambda: _try_kernel("qemu-tcg", "tcg", TCG_SECONDS),
        "nspawn": _try_nspawn,
        "uml": _try_uml,
    }
    started = time.monotonic()
    try:
        return attempts[name]()
    except DeployError as error:
        return Found(name, False, "", str(error), time.monotonic() - started, lasting=False)


def _missing(backend: str, program: str) -> Found | None:
    if shutil.which(program):
        return None
    return Found(
        backend, False, f"{program} in PATH", f"not installed. {package_remedy(program)}", 0.0, lasting=False
    )


def _try_kernel(name: str, accelerator: str, seconds: float) -> Found:
    """Whether Debian's stock kernel gets as far as starting its initrd's /init."""
    program, machine, console = system()
    if missing := _missing(name, program):
        return missing
    if accelerator == "kvm" and not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return Found(name, False, "/dev/kvm", "absent or closed to this user", 0.0)
    kind = traits(name)
    architecture = execute(("dpkg", "--print-architecture")).strip()
    image, held = obtain(
        recipe(SUITES[0], architecture, read_mirror(), kind.image_kind, kind.image_packages(architecture))
    )
    try:
        kernel, initrd = (newest_boot_file(image.root / "boot", each) for each in ("vmlinuz", "initrd.img"))
        argv = (
            *(program, *machine, "-accel", accelerator, "-cpu", "host" if accelerator == "kvm" else "max"),
            *("-m", "512", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio"),
            *("-kernel", str(kernel), "-initrd", str(initrd), "-append", f"console={console} panic=-1"),
        )
        seen, took = watch(argv, _KERNEL_MARK, seconds)
    finally:
        os.close(held)
    works = _KERNEL_MARK in seen
    return Found(
        name,
        works,
        f"boot {kernel.name} up to its initrd, at most {seconds:.0f} s",
        "it boots" if works else f"stuck at: {last_line(seen)}",
        took,
    )


def _try_nspawn() -> Found:
    if missing := _missing("nspawn", "systemd-nspawn"):
        return missing
    machine = MachineSpec("probe", "server", "probe", (Nic("eth0", UPLINK, "192.0.2.10/24"),))
    lab = Lab((machine,), suite=SUITES[0], backend="nspawn")
    lab.fetch_image()
    started = time.monotonic()
    try:
        with lab:
            took = time.monotonic() - started
            said = lab.machines["probe"].run(("systemctl", "is-system-running", "--wait"), check=False).stdout.strip()
    except DeployError as error:
        return Found("nspawn", False, "boot systemd and log in by SSH", str(error), time.monotonic() - started)
    return Found("nspawn", said == "running", "boot systemd and log in by SSH", f"systemd says: {said}", took)


def _try_uml() -> Found:
    """Whether user-mode Linux runs one program; it is no backend, only looked at."""
    if missing := _missing("uml", UML):
        return missing
    image, held = obtain(recipe(SUITES[0], execute(("dpkg", "--print-architecture")).strip(), read_mirror()))
    argv = (UML, "mem=128M", "con=null", "con0=null,fd:1", "root=/dev/root", "rootfstype=hostfs")
    try:
        # The program's own end is init's end: the kernel says with which status.
        seen, took = watch((*argv, f"rootflags={image.root}", "ro", "init=/bin/true"), "exitcode=", UML_SECONDS)
    finally:
        os.close(held)
    status = re.search(r"exitcode=(0x[0-9a-f]+)", seen)
    works = status is not None and int(status[1], 16) == 0
    return Found("uml", works, "run /bin/true as init", "it runs" if works else panic_line(seen), took)


def watch(argv: Argv, mark: str, seconds: float) -> tuple[str, float]:
    """What a machine says on its console until MARK shows, it ends, or the time is up; then it is killed."""
    started = time.monotonic()
    process = subprocess.Popen(
        ("setpriv", "--pdeathsig", "KILL", "--", *argv),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    seen = b""
    try:
        while mark.encode() not in seen and time.monotonic() < started + seconds:
            ended = process.poll() is not None
            seen += process.stdout.read() or b""
            if ended:
                break
            time.sleep(0.02)
    finally:
        _kill_group(process)
    return seen.decode(errors="replace"), time.monotonic() - started


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    if process.stdout is not None:
        process.stdout.close()


def last_line(text: str) -> str:
    """The last thing said, without colours and control characters."""
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1bc", "", text).replace("\r", "\n")
    lines = [line.strip() for line in plain.splitlines() if line.strip()]
    return lines[-1][:120] if lines else "nothing on its console"


def panic_line(text: str) -> str:
    """The kernel's own word for what went wrong, else the last thing said."""
    found = re.search(r"Kernel panic[^\r\n]*", text)
    return found[0][:120] if found else last_line(text)
