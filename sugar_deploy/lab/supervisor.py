"""The process that holds a lab: the first of its PID namespace, so that with it everything ends.

Its mounts and named network namespaces are in a mount namespace of its own and vanish with it; it ends by itself
when the lab's owner dies. Started by `launch.py` with:

    python -m sugar_deploy.lab.supervisor IDENTITY OWNER_PIDFD|- MIRROR…
"""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from sugar_deploy.errors import DeployError
from sugar_deploy.files import write_atomically
from sugar_deploy.lab import aptproxy, cgroups, keys, memory, network, relay
from sugar_deploy.lab.backend import Backend, Seat
from sugar_deploy.lab.backends import backend
from sugar_deploy.lab.control import read_line
from sugar_deploy.lab.guest import guest_files
from sugar_deploy.lab.places import LabPlace, cache_root
from sugar_deploy.lab.process import execute
from sugar_deploy.lab.spec import LabSpec, MachineSpec
from sugar_deploy.lab.sugar import desktop_files

_SHUTDOWN_SECONDS = 60.0


class Ended(Exception):
    """The lab is to end."""


class Desk:
    """One machine and the processes that belong to it."""

    def __init__(self, place: LabPlace, spec: LabSpec, machine: MachineSpec, backend: Backend) -> None:
        self.seat = Seat(place, spec, machine)
        self.backend = backend
        self.process: subprocess.Popen[bytes] | None = None
        self._relay: subprocess.Popen[bytes] | None = None
        # Made once: the port stays the machine's own however often it is switched off and on.
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listener.getsockname()[1]

    def prepare(self) -> None:
        machine = self.seat.machine
        files = guest_files(machine, keys.identity(self.seat.place, machine.name), self.port)
        files += desktop_files() if machine.sugar else ()
        self.backend.prepare(self.seat, files, self.port)

    def start(self) -> None:
        if self.running():
            return
        self.kill()
        self.process = self.backend.start(self.seat)
        namespace = f"/run/netns/{network.namespace(self.seat.machine.name)}"
        wire = self.backend.wire
        listener = self._listener.fileno()
        pairs = [(f"fd:{listener}", f"{namespace}:tcp:{wire.ssh_address}:{self.port}")]
        if not self.seat.machine.offline:
            pairs.append((f"{namespace}:tcp:{wire.apt}", f":unix:{self.seat.place.apt}"))
        self._relay = subprocess.Popen(relay.argv(pairs), stdin=subprocess.DEVNULL, pass_fds=(listener,))

    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def stop(self) -> None:
        if self.running() and self.process is not None:
            self.backend.power_off(self.seat, self.process)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_SHUTDOWN_SECONDS)
        self.kill()

    def kill(self) -> None:
        self.backend.kill(self.seat, self.process)
        self.process = None
        if self._relay is not None:
            self._relay.kill()
            self._relay.wait()
            self._relay = None

    def plug(self, file: str, mode: str) -> dict[str, object]:
        self._require_running()
        return {"device": self.backend.plug(self.seat, Path(file), mode)}

    def unplug(self) -> None:
        self._require_running()
        self.backend.unplug(self.seat)

    def yank(self) -> None:
        self._require_running()
        self.backend.yank(self.seat)

    def _require_running(self) -> None:
        if not self.running():
            raise DeployError(f"{self.seat.machine.name} is switched off", "Start it first")

    def save(self, label: str) -> None:
        self._switched_off(lambda: self.backend.save(self.seat, label))

    def restore(self, label: str) -> None:
        ran = self.running()
        self.kill()
        self.backend.restore(self.seat, label)
        if ran:
            self.start()

    def _switched_off(self, work: Callable[[], None]) -> None:
        ran = self.running()
        self.stop()
        work()
        if ran:
            self.start()


class Supervisor:
    """Answers what it is asked, one request after the other."""

    def __init__(self, place: LabPlace, owner: int | None, mirrors: list[str]) -> None:
        self.place = place
        self.owner = owner
        self.mirrors = mirrors
        self.spec = LabSpec.read(place.spec)
        kind = backend(self.spec.backend)
        self.desks = {each.name: Desk(place, self.spec, each, kind) for each in self.spec.machines}

    def run(self) -> None:
        """Build the lab, serve until it is to end, clear it away."""
        signal.signal(signal.SIGTERM, _end)
        try:
            self._build()
            self._serve()
        except Ended as reason:
            print(f"Ending: {reason}", flush=True)  # noqa: T201 - the supervisor's log
        finally:
            self._clear()

    def _build(self) -> None:
        Path("/run/netns").mkdir(exist_ok=True)
        execute(("mount", "-t", "tmpfs", "-o", "mode=755", "sugar-deploy-lab", "/run/netns"))
        cgroups.mount_private()
        if any(machine.held_to_memory for machine in self.spec.machines):
            memory.mount_private()
        network.run_all(network.switch_argvs(self.spec))
        subprocess.Popen(aptproxy.argv(self.place.apt, cache_root() / "packages", self.mirrors))
        for desk in self.desks.values():
            desk.prepare()
        for desk in self.desks.values():
            desk.start()
        ports = {name: desk.port for name, desk in self.desks.items()}
        write_atomically(self.place.known_hosts, keys.known_hosts(self.place, ports))
        write_atomically(self.place.state, json.dumps({"ports": ports, "started_at": time.time()}, indent=2))

    def _serve(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener, selectors.DefaultSelector() as selector:
            listener.bind(str(self.place.control))
            listener.listen(16)
            selector.register(listener, selectors.EVENT_READ)
            if self.owner is not None:
                selector.register(self.owner, selectors.EVENT_READ)
            while True:
                for key, _events in selector.select(timeout=2):
                    if key.fd == self.owner:
                        raise Ended("its owner has ended")
                    self._answer(listener)
                self._reap()

    def _answer(self, listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(5)
            answer: dict[str, object]
            end = False
            try:
                line = read_line(connection)
                if not line:
                    return
                request = json.loads(line)
                end = request["do"] == "end"
                answer = self._do(request)
            except DeployError as error:
                answer = {"error": error.message, "remedy": error.remedy}
            except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
                answer = {"error": f"{type(error).__name__}: {error}", "remedy": f"See {self.place.log}"}
            with suppress(OSError):
                connection.sendall(json.dumps(answer).encode() + b"\n")
            if end:
                raise Ended("as asked")

    def _do(self, request: dict[str, str]) -> dict[str, object]:
        if request["do"] == "state":
            return {"running": {name: desk.running() for name, desk in self.desks.items()}}
        if request["do"] == "end":
            return {}
        desk = self.desks[request["machine"]]
        actions: dict[str, Callable[[], dict[str, object] | None]] = {
            "plug": lambda: desk.plug(request["file"], request["mode"]),
            "unplug": desk.unplug,
            "yank": desk.yank,
            "start": desk.start,
            "stop": desk.stop,
            "power-cut": desk.kill,
            "snapshot": lambda: desk.save(request["label"]),
            "restore": lambda: desk.restore(request["label"]),
        }
        return actions[request["do"]]() or {}

    def _reap(self) -> None:
        """The first process inherits orphans; those that subprocess knows are left to it."""
        known = {desk.process.pid for desk in self.desks.values() if desk.process}
        with suppress(ChildProcessError):
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is not None and found.si_pid not in known:
                with suppress(ChildProcessError):
                    os.waitpid(found.si_pid, os.WNOHANG)

    def _clear(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for desk in self.desks.values():
            with suppress(DeployError, OSError, subprocess.SubprocessError):
                desk.kill()
        cgroups.remove(cgroups.ROOT / f"{cgroups.PREFIX}{self.spec.identity}")
        memory.release(self.spec.identity)
        shutil.rmtree(self.place.disks, ignore_errors=True)
        shutil.rmtree(self.place.root, ignore_errors=True)


def _end(_number: int, _frame: FrameType | None) -> None:
    raise Ended("by SIGTERM")


def main(words: list[str]) -> None:
    """Hold the lab that is named on the command line."""
    owner = None if words[1] == "-" else int(words[1])
    Supervisor(LabPlace.of(words[0]), owner, words[2:]).run()


if __name__ == "__main__":
    main(sys.argv[1:])
