"""How long `check`, `render` and Ansible's reading of the result take, and in how much memory, as schools grow.

Prints a table; asserts nothing, because a machine's load is not a fault of the code.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import yaml

BASELINE_SCHOOLS = 1_000

DEPLOYMENT = """\
version: 1
name: bench
title: Benchmark
timezone: America/Lima
domain: bench.example.org
schools:
  capital:
    scenario: online-peers
    role: master
    server:
      address: sugar.bench.example.org
schools_from: schools.csv
"""
COLUMNS = (
    "name,title,scenario,server.address,server.user,uplink.interface,lan.interface,lan.address,"
    "services.presence.enabled,services.dhcp.lease_minutes"
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a command took."""

    seconds: float
    processor_seconds: float
    mebibytes: float


def measure(*argv: str | Path, runs: int = 1, **environment: str) -> Cost:
    """The best of some runs of a command, in its own process; its largest resident set."""
    costs = [_once([str(word) for word in argv], environment) for _ in range(runs)]
    return min(costs, key=lambda cost: cost.seconds)


def _once(argv: list[str], environment: dict[str, str]) -> Cost:
    started = time.perf_counter()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, env={**os.environ, **environment})
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"failed with status {process.returncode}: {' '.join(argv)}")
    return Cost(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def write_deployment(folder: Path, schools: int) -> None:
    """A deployment whose schools, but for the master, stand in a CSV: online, offline and peers."""
    folder.mkdir()
    (folder / "deployment.yml").write_text(DEPLOYMENT)
    kinds = ["online-server"] * 6 + ["offline-server"] * 3 + ["peer-server"]
    rows = [COLUMNS]
    for number in range(schools - 1):
        high, low = divmod(number, 250)
        kind = kinds[number % len(kinds)]
        uplink = "eth0" if kind == "online-server" else ""
        presence = "false" if number % 50 == 0 else ""
        lease = "60" if number % 7 == 0 else ""
        rows.append(
            f"school-{number:05d},School {number},{kind},198.{18 + high % 2}.{high // 2}.{low + 1},root,"
            f"{uplink},eth1,172.18.96.1/19,{presence},{lease}"
        )
    (folder / "schools.csv").write_text("\n".join(rows) + "\n")


def write_baseline(project: Path, target: Path) -> None:
    """The same hosts and variables as one YAML inventory, as PyYAML writes it."""
    hosts = {
        path.stem: json.loads(path.read_text(encoding="utf-8"))
        for path in (project / "inventory" / "host_vars").iterdir()
    }
    common = json.loads((project / "inventory" / "group_vars" / "all.json").read_text(encoding="utf-8"))
    target.write_text(yaml.safe_dump({"all": {"hosts": hosts, "vars": common}}))


def row(label: str, schools: int, cost: Cost, before: Cost | None) -> str:
    """A line of the table; growth is that of the processor's time since the line's smaller number of schools."""
    growth = f"× {cost.processor_seconds / before.processor_seconds:.1f}" if before else ""
    return (
        f"{label:34} {schools:>7,} {cost.seconds:>8.2f} s {cost.processor_seconds:>8.2f} s "
        f"{cost.mebibytes:>7.0f} MiB {growth:>8}"
    )


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(prog="python -m tests.bench.render", description=__doc__)
    options.add_argument("--schools", type=int, nargs="+", default=[100, 1_000, 10_000])
    options.add_argument("--runs", type=int, default=2, help="take the best of so many runs (2)")
    chosen = options.parse_args()
    tool = (sys.executable, "-m", "sugar_deploy")
    inventory = Path(sys.executable).with_name("ansible-inventory")
    heading = f"{'':34} {'schools':>7} {'elapsed':>10} {'processor':>10} {'memory':>11} {'growth':>8}"
    print(heading)
    with tempfile.TemporaryDirectory(prefix="sugar-deploy-bench-") as scratch:
        last: dict[str, Cost] = {}
        for schools in chosen.schools:
            folder, out = Path(scratch) / f"d{schools}", Path(scratch) / f"out{schools}"
            write_deployment(folder, schools)
            host = f"school-{schools // 2:05d}"
            commands: dict[str, tuple[str | Path, ...]] = {
                "check": (*tool, "check", "-C", folder),
                "render": (*tool, "render", "-C", folder, "-o", out),
                "ansible-inventory --host": (inventory, "-i", out / "inventory", "--host", host),
            }
            for label, argv in commands.items():
                cost = measure(*argv, runs=chosen.runs)
                print(row(label, schools, cost, last.get(label)), flush=True)
                last[label] = cost
            if schools == BASELINE_SCHOOLS:
                baseline = Path(scratch) / "baseline.yml"
                write_baseline(out, baseline)
                cost = measure(inventory, "-i", baseline, "--host", host)
                print(row("baseline: --host of one YAML file", schools, cost, None), flush=True)


if __name__ == "__main__":
    main()
