"""An XO-1.5 in QEMU, as near as that comes: its card on an SD controller, its screen and keys, a cable to its school.

The processor is one of 32 bits without what the laptop's lacks; kernel and ramdisk are started as the firmware does.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from sugar_deploy.lab.tap import open_tap
from tests.scenario.laptop.picture import Picture

WIDTH, HEIGHT = 1200, 900
_MEMORY_MIB = 1024
_WAIT_SECONDS = 60
_PROMPT = "the-end-of-it"


class Xo:
    """Switched on at the begin of a `with`, and off at its end."""

    def __init__(
        self,
        folder: Path,
        card: Path,
        start: tuple[Path, Path],
        *,
        more: Sequence[str] = (),
        command_line: str = "",
        lan: str = "",
    ) -> None:
        self.folder, self.lan = folder, lan
        self._argv = [
            *("qemu-system-i386", "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "coreduo", "-smp", "2"),
            *("-m", str(_MEMORY_MIB), "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
            *("-device", f"VGA,xres={WIDTH},yres={HEIGHT}", "-usb", "-device", "usb-tablet", "-device", "usb-kbd"),
            *("-kernel", str(start[0]), "-initrd", str(start[1]), "-append", command_line),
            *("-device", "sdhci-pci", "-device", "sd-card,drive=card"),
            *("-drive", f"file={card},format=raw,if=none,id=card,cache=unsafe"),
            *("-object", "rng-random,id=rng,filename=/dev/urandom", "-device", "virtio-rng-pci,rng=rng"),
            *("-chardev", f"socket,id=serial,path={folder}/serial,server=on,wait=off"),
            *("-serial", "chardev:serial", "-qmp", f"unix:{folder}/qmp,server=on,wait=off", *more),
        ]

    def __enter__(self) -> Self:
        taps = []
        for stale in ("serial", "qmp", "console"):
            (self.folder / stale).unlink(missing_ok=True)
        if self.lan:
            taps = [open_tap("laptop", f"/run/netns/{self.lan}")]
            words = ["ip", "netns", "exec", self.lan, "ip", "link", "set", "laptop", "master", "lan", "up"]
            subprocess.run(words, check=True)
            self._argv += ["-netdev", f"tap,id=lan,fd={taps[0]}", "-device", "virtio-net-pci,netdev=lan,romfile="]
        try:
            with (self.folder / "qemu.log").open("wb") as log:
                self.process = subprocess.Popen(self._argv, pass_fds=taps, stdout=log, stderr=log)
        finally:
            # The tap ends with the laptop that has it.
            for tap in taps:
                os.close(tap)
        try:
            self._qmp = self._connected("qmp").makefile("rw")
            self._qmp.readline()
            self.asks("qmp_capabilities")
            self._serial = self._connected("serial")
            threading.Thread(target=self._listen, daemon=True).start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def _connected(self, name: str) -> socket.socket:
        def connect() -> socket.socket | None:
            connection = socket.socket(socket.AF_UNIX)
            try:
                connection.connect(str(self.folder / name))
            except OSError:
                connection.close()
                return None
            return connection

        connection: socket.socket = self.awaits(connect, _WAIT_SECONDS, f"QEMU's {name}")
        return connection

    def asks(self, command: str, **arguments: Any) -> Any:
        """A command of QEMU's, and its answer."""
        self._qmp.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._qmp.flush()
        while True:
            answer = json.loads(self._qmp.readline())
            assert "error" not in answer, answer
            if "return" in answer:
                return answer["return"]

    def awaits(self, look: Callable[[], Any], seconds: float, what: str, pause: float = 0.5) -> Any:
        """What LOOK gives once that is something; fails where it does not in so long, telling what was seen."""
        deadline = time.monotonic() + seconds
        while not (found := look()):
            ended = self.process.poll()
            if ended is not None or time.monotonic() > deadline:
                raise AssertionError(f"no {what} ({'QEMU ended' if ended is not None else seconds}): {self.told()}")
            time.sleep(pause)
        return found

    def told(self) -> str:
        """The end of its console, and where the last picture of its screen is."""
        return f"{(self.folder / 'qemu.log').read_text()}{self.console()[-3000:]} {self.folder / 'screen.ppm'}"

    def screen(self) -> Picture:
        """What is on it now."""
        file = self.folder / "screen.ppm"
        self.asks("screendump", filename=str(file))
        return Picture.read(file)

    def presses(self, key: str) -> None:
        """A key, by QEMU's name for it."""
        self.asks("send-key", keys=[{"type": "qcode", "data": key}])

    def clicks(self, across: float, down: float) -> None:
        """With the pointer there, in fractions of the screen's width and height."""
        axes = [{"axis": "x", "value": round(across * 32767)}, {"axis": "y", "value": round(down * 32767)}]
        self.asks("input-send-event", events=[{"type": "abs", "data": axis} for axis in axes])
        for is_down in (True, False):
            time.sleep(0.5)
            self.asks("input-send-event", events=[{"type": "btn", "data": {"down": is_down, "button": "left"}}])

    def console(self) -> str:
        """All that came over the serial line."""
        file = self.folder / "console"
        return file.read_text(errors="replace") if file.exists() else ""

    def _listen(self) -> None:
        """Write down what comes at once: QEMU drops what nobody takes."""
        with (self.folder / "console").open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while piece := self._serial.recv(65536):
                file.write(piece)

    def awaits_shell(self, seconds: float) -> None:
        """Until the image's shell on the serial line asks for a command."""
        self.awaits(lambda: self.console().endswith("# "), seconds, "shell")
        # From here on it says nothing but what commands say.
        self.says("PS1= PS2=")

    def says(self, command: str, seconds: float = 120) -> str:
        """What a command prints in the shell that the image has on its serial line."""
        before = len(self.console())
        self._serial.sendall(f"stty -echo; {{ {command}\n}} 2>&1; echo {_PROMPT[:-2]}''{_PROMPT[-2:]} $?\n".encode())

        def answer() -> str | None:
            text = self.console()[before:].replace("\r", "")
            said, ended, status = text.partition(f"{_PROMPT} ")
            return f"{status.split()[0]}\n{said}" if ended and status.strip() else None

        status, _, said = self.awaits(answer, seconds, f"end of {command}").partition("\n")
        assert status == "0", said
        return str(said)
