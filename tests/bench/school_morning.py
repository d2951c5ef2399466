"""A school morning against the real daemon and backup service, and against plain sshd, rsync and files.

Prints a table; asserts nothing. The laptops are `sugaroid load`, on the same machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

from tests.bench.watched import Sampler, Watched, listening
from tests.bundles import activity

ROOT = Path(__file__).resolve().parents[2]
SERVER, SUGAROID = ROOT / "packages" / "sugar-server", ROOT / "packages" / "sugaroid"
PYTHON = "/usr/bin/python3"
FQDN = "school.example.pe"
ACTIVITIES, LARGEST = 30, 2_000_000
REQUESTS, AT_ONCE = 500, 8
MOST_PLAIN = 100
"""Laptops of the baseline: it is told by laptop."""
sys.path.insert(0, str(SUGAROID))


@dataclass
class Bench:
    """One run's folders, settings and figures."""

    scratch: Path
    laptops: int
    compress: float
    settings: Sequence[str]
    at_once: int
    seed: str
    services: str
    rows: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def log(self) -> Path:
        return self.scratch / "log"

    def row(self, name: str, ours: str, baseline: str = "") -> None:
        """One line of the table, printed at the end, and told now."""
        self.rows.append((name, ours, baseline))
        print(f"  {name}: {ours} {baseline}".rstrip(), file=sys.stderr, flush=True)

    def prepare(self) -> None:
        """Settings, and a library of activities of different sizes."""
        for name in ("state", "backups", "library", "plain", "root/etc/sugar-server"):
            (self.scratch / name).mkdir(parents=True)
        limits = "\n".join(self.settings)
        (self.scratch / "root/etc/sugar-server/sugar-server.conf").write_text(
            f"[server]\nfqdn = {FQDN}\n[library]\nfolder = {self.scratch}/library\n"
            f"[backup]\nfolder = {self.scratch}/backups\n{limits}\n"
        )
        for number in range(ACTIVITIES):
            data = {"data.bin": os.urandom(LARGEST * (number + 1) // ACTIVITIES)}
            path = self.scratch / "library" / f"a{number}.xo"
            activity(path, f"org.example.A{number}", str(number + 1), f"Activity {number}", files=data)

    def serve(self, command: str, sockets: Sequence[socket.socket]) -> Watched:
        """The daemon or the backup service, on sockets passed as systemd does."""
        argv = [PYTHON, "-m", "sugar_server", command, "--root", f"{self.scratch}/root"]
        argv += ["--state", f"{self.scratch}/state"]
        return Watched(argv, {"PYTHONPATH": str(SERVER), "PATH": os.environ["PATH"]}, self.log, sockets)

    def load(self, http: int, backup: int) -> dict[str, Any]:
        """What `sugaroid load` reports."""
        ports = {"http": http, "registration": http, "backup": backup}
        words = [word for name, port in ports.items() for word in (f"--{name}-port", str(port))]
        argv = [PYTHON, "-m", "sugaroid", "load", "--server", FQDN, "--address", "127.0.0.1", *words, "--json"]
        argv += ["--laptops", str(self.laptops), "--seed", self.seed, "--compress", str(self.compress)]
        argv += ["--at-once", str(self.at_once), "--folder", f"{self.scratch}/laptops", "--services", self.services]
        environment = {"PYTHONPATH": str(SUGAROID), "PATH": os.environ["PATH"]}
        done = subprocess.run(argv, env=environment, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode not in (0, 1):
            raise SystemExit(f"sugaroid load: exit status {done.returncode}")
        return json.loads(done.stdout)  # type: ignore[no-any-return]

    def disk(self, folder: str) -> str:
        """Blocks and inodes below a folder, each counted once."""
        sizes = [
            subprocess.run(["du", "-s", *option, self.scratch / folder], capture_output=True, text=True).stdout
            for option in (["-BM"], ["--inodes"])
        ]
        return "{} MiB, {} inodes".format(*(size.split()[0].rstrip("M") for size in sizes))


def morning(bench: Bench) -> None:
    """The services under load, then their pages, and their cold start with all laptops registered."""
    web, ssh = listening(), listening()
    daemon, backups = bench.serve("serve", [web]), bench.serve("serve-backups", [ssh])
    bench.row("daemon: cold start, nobody registered", daemon.cold_start)
    http = web.getsockname()[1]
    try:
        with Sampler([daemon, backups]) as sampler:
            report = bench.load(http, ssh.getsockname()[1])
            ended = time.monotonic()
        for title in ("day_before", "morning"):
            _tell_figures(bench, title.replace("_", " "), report[title])
        dawn = ended - report["morning"]["seconds"]
        for name, watched in (("daemon", daemon), ("backup service", backups)):
            used = sampler[watched]
            bench.row(f"{name}: processor, the day before", f"{used.between(0, dawn):.1f} s")
            bench.row(f"{name}: processor, the morning", f"{used.between(dawn, ended):.1f} s")
            bench.row(f"{name}: peak resident", f"{watched.status_mib('VmHWM'):.0f} MiB")
        used = sampler[backups]
        many = f"{used.children_mib:.0f} MiB in {used.children} processes"
        bench.row("rsync and bubblewrap below it: peak (PSS)", many)
        bench.row("registrations and statistics on disk", bench.disk("state"))
        bench.row("backups on disk", bench.disk("backups"))
        snapshots = sum(1 for _ in (bench.scratch / "backups" / "homes").glob("*/datastore-2*"))
        bench.row("snapshots", str(snapshots))
        _pages(bench, daemon, http)
    finally:
        daemon.stop()
        backups.stop()
    _cold_start(bench, web, ssh)


def _tell_figures(bench: Bench, title: str, part: dict[str, Any]) -> None:
    bench.row(f"{title}: took", f"{part['seconds']} s")
    for name, each in part["figures"].items():
        took = each["seconds"]
        text = f"{each['done']} done, {each['failed']} failed, {each['later']} later; {each['per_second']}/s; "
        text += f"p50 {took['p50']} p95 {took['p95']} p99 {took['p99']} longest {took['max']} s"
        text += f", waited here p99 {each['waited_here_p99']} s" if each["waited_here_p99"] >= 0.1 else ""
        bench.row(f"{title}: {name}", text + (f"; {each['bytes'] >> 20} MiB" if each["bytes"] >> 20 else ""))
        for why, times in each["reasons"].items():
            bench.row(f"{title}: {name} failed", f"{times} times: {why}")


def _pages(bench: Bench, daemon: Watched, http: int) -> None:
    """Processor time of one page, and of the library against a plain file server with the same bytes."""
    plain = bench.scratch / "plain"
    shutil.copy(bench.scratch / "library" / "a29.xo", plain / "a29.xo")
    for path, file in (("/activities/", "index.html"), ("/laptops", ""), ("/server", ""), ("/", "")):
        body = _get(http, path)
        if file:
            (plain / file).write_bytes(body)
        bench.row(f"page {path}, {len(body) >> 10} KiB", f"{1000 * _cost(daemon, http, path):.2f} ms of processor")
    links = _get(http, "/activities/").decode().split('"')
    bundle = urlsplit(urljoin("/activities/", next(link for link in links if link.endswith("a29.xo")))).path
    ours = _cost(daemon, http, bundle)
    page = _cost(daemon, http, "/activities/")
    port = listening()
    number = port.getsockname()[1]
    port.close()
    argv = [PYTHON, "-m", "http.server", "--bind", "127.0.0.1", "-d", str(plain), str(number)]
    server = Watched(argv, {"PATH": os.environ["PATH"]}, bench.log, up=lambda: _is_up(number))
    try:
        for name, path, cost in (
            ("the activities' page", "/index.html", page),
            ("a bundle of 2 MB", "/a29.xo", ours),
        ):
            base = _cost(server, number, path)
            told = f"{1000 * base:.2f} ms by http.server, × {cost / base:.1f}"
            bench.row(name, f"{1000 * cost:.2f} ms of processor", told)
    finally:
        server.stop()


def _cost(server: Watched, port: int, path: str) -> float:
    """Processor seconds of one request, from some hundred that come eight at a time."""
    with Sampler([server]) as sampler, ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(lambda _: _get(port, path), range(REQUESTS)))
    return sampler[server].between(0, time.monotonic()) / REQUESTS


def _get(port: int, path: str) -> bytes:
    from sugaroid.probes import web

    page = web.ask("127.0.0.1", port, FQDN, path)
    if page.status != 200:
        raise SystemExit(f"status {page.status} for {path}")
    return page.body


def _is_up(port: int) -> bool:
    from sugaroid.probes import web

    return web.is_open("127.0.0.1", port, 1.0)


def _cold_start(bench: Bench, web: socket.socket, ssh: socket.socket) -> None:
    for name, command, listener in (("daemon", "serve", web), ("backup service", "serve-backups", ssh)):
        again = bench.serve(command, [listener])
        bench.row(f"{name}: cold start, all registered", again.cold_start)
        again.stop()


@dataclass
class Plain:
    """The administrator's own way: sshd, rsync, and `cp -al` for the snapshot."""

    bench: Bench
    port: int
    sshd: Watched

    def bring(self, number: int, journal: Path) -> float:
        """One laptop's backup; seconds."""
        began = time.monotonic()
        home = self.bench.scratch / "plain-backups" / str(number)
        home.mkdir(parents=True, exist_ok=True)
        options = ["-F", "/dev/null", "-i", f"{self.bench.scratch}/plain-key", "-p", str(self.port)]
        options += ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
        ssh = ["ssh", *options, "-l", "root"]
        rsync = ["rsync", "-e", " ".join(ssh), "-z", "-rlt", "--partial", "--delete", "--timeout=160"]
        subprocess.run([*rsync, f"{journal}/", f"127.0.0.1:{home}/current"], check=True)
        snapshot = f"{home}/snapshot-{time.time_ns()}"
        subprocess.run([*ssh, "127.0.0.1", f"cp -al {home}/current {snapshot} && sync -f {home}"], check=True)
        return time.monotonic() - began


@contextlib.contextmanager
def plain_sshd(bench: Bench) -> Iterator[Plain]:
    """sshd as Debian has it, with one key."""
    free = listening()
    port = free.getsockname()[1]
    free.close()
    for name in ("plain-key", "plain-host"):
        argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", bench.scratch / name]
        subprocess.run(argv, check=True)
    Path("/run/sshd").mkdir(exist_ok=True)
    config = bench.scratch / "plain-sshd.conf"
    config.write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {bench.scratch}/plain-host\nPidFile none\nUsePAM no\n"
        f"AuthorizedKeysFile {bench.scratch}/plain-key.pub\nStrictModes no\nPermitRootLogin yes\nMaxStartups 500\n"
    )
    argv = ["/usr/sbin/sshd", "-D", "-e", "-f", str(config)]
    sshd = Watched(argv, {"PATH": os.environ["PATH"]}, bench.log, up=lambda: _is_up(port))
    try:
        yield Plain(bench, port, sshd)
    finally:
        sshd.stop()


def baseline(bench: Bench) -> None:
    """The same Journals to the same disk by plain sshd and rsync: first all of each, then what is new."""
    from sugaroid.journal import add_entries
    from sugaroid.load.figures import percentile
    from sugaroid.load.plan import SERVICES, plan

    planned = plan(min(bench.laptops, MOST_PLAIN), bench.seed, 30, SERVICES)
    journals = [bench.scratch / "laptops" / one.serial / "datastore" for one in planned]
    with plain_sshd(bench) as plain:
        for title in ("first backup", "backup"):
            if title == "backup":
                for one, journal in zip(planned, journals, strict=True):
                    add_entries(journal, one.added, f"{one.seed}:baseline")
            with Sampler([plain.sshd]) as sampler, ThreadPoolExecutor(bench.at_once) as pool:
                began = time.monotonic()
                seconds = list(pool.map(plain.bring, range(len(journals)), journals))
                ended = time.monotonic()
            used = sampler[plain.sshd]
            text = f"{1000 * used.between(0, ended + 1) / len(journals):.0f} ms of processor each, "
            text += f"{len(journals) / (ended - began):.1f}/s; p50 {percentile(seconds, 0.5):.2f} "
            text += f"p99 {percentile(seconds, 0.99):.2f} s; {used.children_mib:.0f} MiB in {used.children} processes"
            bench.row(f"plain sshd and rsync: {title}", "", text)
    bench.row(f"plain sshd and rsync: on disk, of {len(journals)} laptops", "", bench.disk("plain-backups"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--laptops", type=int, default=1000)
    parser.add_argument("--compress", type=float, default=6.0, help="30 minutes of school time take 30/F minutes")
    parser.add_argument("--at-once", type=int, default=30)
    parser.add_argument("--seed", default="bench")
    parser.add_argument("--services", default="registration,backup,restore,updates,statistics,pages")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the server's [backup]")
    parser.add_argument(
        "--folder", type=Path, help="below which disk to measure; by default where temporary files are"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sugar-morning-", dir=arguments.folder) as name:
        scratch = Path(name)
        # The laptops come from one address, and a benchmark's machine has much to do.
        settings = ["most_load = 1000", "most_used_percent = 100", *arguments.set]
        bench = Bench(
            scratch,
            arguments.laptops,
            arguments.compress,
            settings,
            arguments.at_once,
            arguments.seed,
            arguments.services,
        )
        bench.prepare()
        morning(bench)
        if "backup" in arguments.services.split(","):
            baseline(bench)
        print(f"| {bench.laptops} laptops | the school server | plain |\n|---|---|---|")
        for row in bench.rows:
            print(f"| {' | '.join(row)} |")


if __name__ == "__main__":
    main()
