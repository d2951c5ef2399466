"""A real Prosody, configured as on a school server."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.loopback import free_ports

SHIPPED = Path(__file__).parents[3] / "packages/prosody-sugar"
DOMAIN = "san-martin.lima.example"
LISTENING = "Activated service 'c2s_direct_tls' on"


@dataclass(frozen=True)
class Prosody:
    """Where it listens, and where its accounts are."""

    domain: str
    address: str
    port: int
    plain_port: int
    folder: Path

    def accounts(self) -> set[str]:
        """The local parts of all accounts, as they lie on the disk."""
        return {path.stem for path in (self.folder / "data").glob("*/accounts/*.dat")}


@contextlib.contextmanager
def running(
    folder: Path,
    *,
    address: str = "127.0.0.1",
    ports: tuple[int, int] | None = None,
    prefix: Sequence[str] = (),
    extra: str = "",
) -> Iterator[Prosody]:
    """Prosody in a folder of its own; `extra` comes after what the package sets."""
    port, plain_port = ports or free_ports(2)
    server = Prosody(DOMAIN, address, port, plain_port, folder)
    (folder / "data").mkdir(parents=True)
    _make_certificate(folder)
    config = folder / "prosody.cfg.lua"
    config.write_text(
        f"""
plugin_paths = {{ "{SHIPPED}/modules" }}
Include "{SHIPPED}/config/sugar.cfg.lua"
run_as_root = true
data_path = "{folder}/data"
pidfile = "{folder}/prosody.pid"
interfaces = {{ "{address}" }}
c2s_ports = {{ {plain_port} }}
c2s_direct_tls_ports = {{ {port} }}
certificates = "{folder}/certs"
c2s_direct_tls_certificate = "{folder}/certs/{DOMAIN}.crt"
admin_socket = "{folder}/prosody.sock"
log = {{ info = "{folder}/prosody.log" }}
{extra}
VirtualHost "{DOMAIN}"
Component "conference.{DOMAIN}" "muc"
"""
    )
    with (folder / "output").open("wb") as output:
        argv = [*prefix, "prosody", "-F", "--config", str(config)]
        process = subprocess.Popen(argv, stdout=output, stderr=output)
    try:
        _wait(process, folder)
        yield server
    finally:
        process.terminate()
        process.wait(10)


def _make_certificate(folder: Path) -> None:
    certificate = folder / f"certs/{DOMAIN}.crt"
    certificate.parent.mkdir()
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={DOMAIN}", "-days", "2"),
            *("-keyout", certificate.with_suffix(".key"), "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )


def _wait(process: subprocess.Popen[bytes], folder: Path) -> None:
    deadline, log = time.monotonic() + 20, folder / "prosody.log"
    while time.monotonic() < deadline and process.poll() is None:
        if log.exists() and LISTENING in log.read_text():
            return
        time.sleep(0.1)
    said = (folder / "output").read_text() + (log.read_text() if log.exists() else "")
    raise AssertionError(f"Prosody does not come up:\n{said}")
