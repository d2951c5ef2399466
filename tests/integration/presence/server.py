"""A real Prosody on free loopback ports, configured by the role's own template and the package's own files."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, StrictUndefined

from tests.loopback import free_ports

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "packages" / "prosody-sugar"
TEMPLATE = ROOT / "roles" / "presence" / "templates" / "prosody.cfg.lua.j2"
DOMAIN = "schoolserver.lima.example"
USER = "prosody" if os.geteuid() == 0 else None


def installed(_folder: Path) -> list[str]:
    """What starts this machine's own Prosody, as its user."""
    change = ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups"] if USER else []
    return [*change, "prosody"]


@dataclass
class Server:
    """Where the server listens and what it keeps."""

    folder: Path
    plain_port: int
    tls_port: int
    process: subprocess.Popen[bytes] | None = None
    domain: str = DOMAIN
    command: Callable[[Path], list[str]] = installed
    """What starts its Prosody, given the folder."""

    @property
    def config(self) -> Path:
        return self.folder / "prosody.cfg.lua"

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command(self.folder), "-F", "--config", str(self.config)],
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )
        deadline = time.monotonic() + 20
        while not all(map(_listens, (self.plain_port, self.tls_port))):
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((self.folder / "log").read_text())
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(20)

    def kill(self) -> None:
        """As a power cut: nothing is said to anybody."""
        assert self.process
        self.process.kill()
        self.process.wait(20)

    def pids(self) -> list[int]:
        """The server's process, which may be under wrappers, and those."""
        assert self.process
        found = [self.process.pid]
        for pid in found:
            found += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        return found

    def open_files(self) -> int:
        """How many files and connections it holds."""
        return sum(1 for pid in self.pids() for _ in Path(f"/proc/{pid}/fd").iterdir())

    def resident_mib(self) -> float:
        """Its memory."""
        sizes = [Path(f"/proc/{pid}/statm").read_text().split()[1] for pid in self.pids()]
        return sum(map(int, sizes)) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def shell(self, command: str) -> str:
        """What the administrator's shell answers."""
        argv = ["prosodyctl", "--config", str(self.config), "shell", command]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout

    def stored(self, store: str) -> list[Path]:
        """Files that Prosody keeps for accounts in one of its stores."""
        return sorted((self.folder / "data").glob(f"*/{store}/*"))


def render(folder: Path, **variables: object) -> str:
    """The role's configuration file, with the package's files at their places in the source tree."""
    environment = Environment(
        trim_blocks=True, keep_trailing_newline=True, undefined=StrictUndefined, autoescape=False
    )
    defaults: dict[str, object] = {
        "presence__common": PACKAGE / "config" / "sugar.cfg.lua",
        "presence__certificates": folder,
        "presence__domain": DOMAIN,
        "presence__max_stanza_kib": 128,
        "presence__log_level": "info",
        "presence__neighborhood": "school",
        "presence__accounts": "anyone",
        "presence__unused_account_days": 400,
        "presence__networks": ["127.0.0.0/8"],
        "presence__peers": [],
        "presence__drop_ins": [str(folder / "test.conf")],
        "presence__ecdsa": {"stat": {"exists": True}},
        "presence__ecdsa_certificate": folder / f"{variables.get('presence__domain', DOMAIN)}-ecdsa",
    }
    return environment.from_string(TEMPLATE.read_text()).render(defaults | variables)


@contextlib.contextmanager
def running(
    more: str = "",
    *,
    command: Callable[[Path], list[str]] = installed,
    domain: str = DOMAIN,
    furnish: Callable[[Path], object] | None = None,
    **variables: object,
) -> Iterator[Server]:
    """A server for the tests, with more lines of configuration; everything it was is gone afterwards.

    FURNISH puts more files into its folder, before they are given to the server's user.
    """
    folder = Path(tempfile.mkdtemp(prefix="sugar-prosody-"))
    server = Server(folder, *free_ports(2), domain=domain, command=command)
    try:
        if furnish:
            furnish(folder)
        _prepare(server, more, variables | {"presence__domain": domain})
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder)


def _prepare(server: Server, more: str, variables: dict[str, object]) -> None:
    folder = server.folder
    (folder / "data").mkdir(exist_ok=True)
    shutil.copytree(PACKAGE / "modules", folder / "modules")
    (folder / "sugar.cfg.lua").write_text((PACKAGE / "config" / "sugar.cfg.lua").read_text())
    (folder / "test.conf").write_text(
        f'data_path = "{folder}/data"\npidfile = "{folder}/pid"\nplugin_paths = {{ "{folder}/modules" }}\n'
        f'interfaces = {{ "127.0.0.1" }}\nc2s_ports = {{ {server.plain_port} }}\n'
        f"c2s_direct_tls_ports = {{ {server.tls_port} }}\n{more}\n"
    )
    server.config.write_text(render(folder, presence__common=folder / "sugar.cfg.lua", **variables))
    subprocess.run([PACKAGE / "bin" / "certificate", server.domain, folder], check=True)
    if USER:
        for path in (folder, *folder.rglob("*")):
            shutil.chown(path, USER, USER)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0
