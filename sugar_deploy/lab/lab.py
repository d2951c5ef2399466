"""A lab: throw-away machines on links of their own, that end when it ends."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from collections.abc import Callable, Sequence
from types import TracebackType

from sugar_deploy.deployment.model import Deployment
from sugar_deploy.errors import DeployError
from sugar_deploy.lab import control, garbage, network, sugar
from sugar_deploy.lab.backends import traits
from sugar_deploy.lab.image import Image, obtain, recipe
from sugar_deploy.lab.launch import end, launch, require_root
from sugar_deploy.lab.machine import Machine
from sugar_deploy.lab.mirror import Mirror, read_mirror
from sugar_deploy.lab.places import LabPlace
from sugar_deploy.lab.process import execute
from sugar_deploy.lab.spec import LabSpec, MachineSpec
from sugar_deploy.lab.topology import machines_for

Say = Callable[[str], None]


class Lab:
    """Machines that boot on `up` and vanish on `down`; as a context manager it does both."""

    def __init__(
        self,
        machines: tuple[MachineSpec, ...],
        *,
        suite: str = "bookworm",
        backend: str = "nspawn",
        identity: str | None = None,
        say: Say = lambda _: None,
    ) -> None:
        self.specs = machines
        self.suite = suite
        self.backend = backend
        self.place = LabPlace.of(identity or f"lab-{secrets.token_hex(3)}")
        self.machines: dict[str, Machine] = {}
        self._say = say
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    def for_deployment(
        cls,
        deployment: Deployment,
        *,
        suite: str = "bookworm",
        backend: str = "nspawn",
        identity: str | None = None,
        offline: bool = False,
        with_sugar: bool = False,
        memory_mib: int | None = None,
        say: Say = lambda _: None,
    ) -> Lab:
        """A server for each school, named as the school, and a laptop for each server, <school>-laptop."""
        machines = machines_for(deployment, offline=offline, with_sugar=with_sugar, memory_mib=memory_mib)
        return cls(machines, suite=suite, backend=backend, identity=identity, say=say)

    @classmethod
    def attach(cls, identity: str) -> Lab:
        """A lab that is up already."""
        place = LabPlace.of(identity)
        if control.peer(place.control) is None:
            raise DeployError(f"There is no lab {identity}", "See which there are: sugar-deploy lab list")
        spec = LabSpec.read(place.spec)
        lab = cls(spec.machines, suite=spec.suite, backend=spec.backend, identity=identity)
        lab._read_state()
        return lab

    def fetch_image(self) -> None:
        """Have the image ready, so that `up` only boots."""
        for _image, held in self._obtain(read_mirror()):
            os.close(held)

    def _obtain(self, mirror: Mirror) -> list[tuple[Image, int]]:
        """The plain image, and after it that with Sugar if some machine has it."""
        kind = traits(self.backend)
        architecture = execute(("dpkg", "--print-architecture")).strip()
        extra = kind.image_packages(architecture)
        recipes = [recipe(self.suite, architecture, mirror, kind.image_kind, extra)]
        if any(machine.sugar for machine in self.specs):
            recipes.append(sugar.with_sugar(recipes[0]))
        return [obtain(each, self._say) for each in recipes]

    def up(self, *, owned: bool = True) -> None:
        """Boot all machines and wait for their SSH; an owned lab ends with this process."""
        require_root()
        garbage.collect()
        mirror = read_mirror()
        images, held = zip(*self._obtain(mirror), strict=True)
        roots = [str(image.root) for image in images]
        spec = LabSpec(self.place.identity, self.suite, self.backend, roots[0], self.specs, "".join(roots[1:]))
        self._say(f"Booting {', '.join(each.name for each in self.specs)} ({self.suite}, {self.backend})")
        try:
            self._process = launch(spec, mirror, owned=owned, held=held)
        finally:
            for descriptor in held:
                os.close(descriptor)
        try:
            self._read_state()
            for machine in self.machines.values():
                machine.wait_for_ssh()
        except BaseException:
            self.down()
            raise

    def down(self) -> None:
        """End everything; nothing is left."""
        end(self.place)
        if self._process is not None:
            self._process.wait(30)
        self.machines = {}
        garbage.collect()

    def __enter__(self) -> Lab:
        self.up()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def _read_state(self) -> None:
        ports: dict[str, int] = json.loads(self.place.state.read_text(encoding="utf-8"))["ports"]
        seconds = traits(self.backend).boot_seconds
        self.machines = {each.name: Machine(self.place, each, ports[each.name], seconds) for each in self.specs}

    def servers(self) -> tuple[Machine, ...]:
        """The schools' servers."""
        return tuple(machine for machine in self.machines.values() if machine.spec.kind == "server")

    def laptop(self, school: str) -> Machine:
        """The machine on the laptops' side of a school."""
        for machine in self.machines.values():
            if machine.spec.kind == "client" and machine.spec.school == school:
                return machine
        raise DeployError(f"The school {school} has no laptop in this lab")

    def outsider_argv(self, argv: Sequence[str]) -> tuple[str, ...]:
        """The command that runs ARGV on the uplink, outside of every school; it ends with its caller."""
        holder = control.peer(self.place.control)
        if holder is None:
            raise DeployError(f"The lab {self.place.identity} has ended")
        namespace = f"/proc/{holder}/root/run/netns/{network.OUTSIDER}"
        return ("setpriv", "--pdeathsig", "KILL", "nsenter", f"--net={namespace}", "--", *argv)

    def outsider(self, argv: Sequence[str], *, timeout_seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a program of this machine in the uplink's network, to prove what is reachable from there."""
        return subprocess.run(
            self.outsider_argv(argv),
            capture_output=True,
            text=True,
            timeout=timeout_seconds,
            stdin=subprocess.DEVNULL,
            check=False,
        )
