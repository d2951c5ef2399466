"""Options that several of the lab's commands have."""

from __future__ import annotations

from pathlib import Path

import click

SCENARIOS = ("online-peers", "online-server", "offline-server", "peer-server")

scenario_option = click.option(
    "--scenario",
    type=click.Choice(SCENARIOS),
    help="Try the scenario as `init` writes it; offline-server by default.",
)
source_option = click.option(
    "-C",
    "--directory",
    "source",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Try this deployment's folder instead; it is read, never written.",
)
suite_option = click.option(
    "--suite", type=click.Choice(("bookworm", "trixie")), default="bookworm", show_default=True, help="Debian."
)
offline_option = click.option("--offline", is_flag=True, help="The servers have no network but their LAN.")
memory_option = click.option(
    "--memory",
    "memory_mib",
    metavar="MIB",
    type=click.IntRange(min=128),
    help="All that each server has, without swap; by default a virtual machine has 1024, a container what there is.",
)
backend_option = click.option(
    "--backend",
    type=click.Choice(("auto", "nspawn", "qemu-kvm", "qemu-tcg")),
    default="auto",
    show_default=True,
    help="Kind of machine; auto: the fastest that works here.",
)
